# Inside a peer: hive-ag3nt on the PATH, its unit, and the hive in the user's own Claude Code.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hive-ag3nt;
  program = lib.getExe' cfg.package "hive-ag3nt";
  isAgent = cfg.mode == "agent";

  # systemd reads `%` and `$` of a command line, and quotes as a shell does.
  word =
    text:
    let
      plain = lib.replaceStrings [ "%" "$" ] [ "%%" "$$" ] text;
    in
    if builtins.match "[A-Za-z0-9_./:=@,+%$-]+" plain == null then builtins.toJSON plain else plain;

  arguments =
    if isAgent then
      [
        "--driver"
        cfg.driver
      ]
      ++ lib.optionals (cfg.program != [ ]) ([ "--" ] ++ cfg.program)
    else
      [ "--peer" ]
      ++ lib.optionals (cfg.bell != null) [
        "--bell"
        cfg.bell
      ];

  # `hive-ag3nt hook` reports unread mail to a session; it leases and acks nothing.
  hooks = lib.genAttrs [ "SessionStart" "UserPromptSubmit" "PostToolUse" "Stop" ] (_: [
    {
      hooks = [
        {
          type = "command";
          command = "${program} hook";
        }
      ];
    }
  ]);
in
{
  options.services.hive-ag3nt = {
    enable = lib.mkEnableOption "membership of this container in a hive";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.hyperhive;
      defaultText = lib.literalExpression "pkgs.hyperhive";
      description = "The package of hyperhive.";
    };

    mode = lib.mkOption {
      type = lib.types.enum [
        "peer"
        "agent"
      ];
      default = "peer";
      description = ''
        `peer`: the unit makes this participant present, and all mail waits for the user's session.
        `agent`: the unit works on the mail by itself, with `driver` and `program`. The hive owns
        the container's lifecycle in neither case.
      '';
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "root";
      example = "muede";
      description = "The user of the unit and of the session; they need access to the socket.";
    };

    driver = lib.mkOption {
      type = lib.types.str;
      default = "command";
      description = "In the mode `agent`: what works on messages, `command` or `claude`.";
    };

    program = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "/run/current-system/sw/bin/answer" ];
      description = "In the mode `agent`: the program of the driver `command`, run for each message.";
    };

    bell = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = ''notify-send "$HIVE_NEWS"'';
      description = "In the mode `peer`: a command of `sh` that is run when mail waits.";
    };

    hook = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether Claude Code reports unread mail to its sessions, by managed settings of this
        container. They add to the hooks that the user has.
      '';
    };

    mcp = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether the hive's tools are registered with Claude Code of `user`, as the server `hive`; a
        server of that name that the user has made is left alone.
      '';
    };

    claudeCode = lib.mkOption {
      type = lib.types.package;
      default = pkgs.claude-code;
      defaultText = lib.literalExpression "pkgs.claude-code";
      description = "The package of Claude Code that `mcp` registers the server with.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = isAgent || cfg.program == [ ];
        message = "services.hive-ag3nt.program: only the mode \"agent\" runs a program; set mode, or leave program out";
      }
      {
        assertion = isAgent -> (cfg.driver == "command") == (cfg.program != [ ]);
        message =
          if cfg.program == [ ] then
            "services.hive-ag3nt.program: the driver \"command\" needs a program to run for each message"
          else
            "services.hive-ag3nt.program: the driver \"${cfg.driver}\" runs no program; leave it out";
      }
      {
        assertion = !isAgent || cfg.bell == null;
        message = "services.hive-ag3nt.bell: only the mode \"peer\" has a bell; an agent works on its mail";
      }
    ];

    environment.systemPackages = [ cfg.package ];

    systemd.services.hive-peer = {
      description = "This container takes part in a hive";
      wantedBy = [ "multi-user.target" ];
      # What a session of the user finds, also for `bell` and `program`; `/bin` is added to each.
      path = [
        "/run/wrappers"
        "/etc/profiles/per-user/${cfg.user}"
        "/run/current-system/sw"
      ];
      serviceConfig = {
        User = cfg.user;
        ExecStart = lib.concatStringsSep " " (
          map word (
            [
              program
              "serve"
            ]
            ++ arguments
          )
        );
        Restart = "always";
        RestartSec = "5s";
      };
    };

    environment.etc = lib.mkIf cfg.hook {
      "claude-code/managed-settings.d/50-hyperhive.json".text = builtins.toJSON { inherit hooks; };
    };

    # Claude Code keeps its servers in a file that it writes itself, so its own verb adds this one.
    systemd.services.hive-claude-mcp = lib.mkIf cfg.mcp {
      description = "Register the hive's tools with Claude Code";
      wantedBy = [ "multi-user.target" ];
      path = [ cfg.claudeCode ];
      # An entry that names the store is from a version that wrote it so; its path may be gone.
      script = ''
        case $(claude mcp get hive 2>/dev/null) in
          "") ;;
          */nix/store/*) claude mcp remove --scope user hive ;;
          *) exit 0 ;;
        esac
        claude mcp add --scope user hive -- /run/current-system/sw/bin/hive-ag3nt mcp
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        User = cfg.user;
      };
    };
  };
}
