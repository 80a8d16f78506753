# The host: the daemon as a service, hive.toml from options, access for operators.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;
  toml = pkgs.formats.toml { };
  names = import ../names.nix { inherit lib; };

  runtimes = [
    "process"
    "machinectl"
    "nixos-container"
  ];
  hasContainers = cfg.c0re.runtime != "process";
  isNixos = cfg.c0re.runtime == "nixos-container";

  # Where NixOS keeps containers, and the program that knows it, as the module of NixOS has both.
  isOlder = lib.versionOlder config.system.stateVersion "22.05";
  containersDir = if isOlder then "containers" else "nixos-containers";
  nixosContainer =
    if isOlder then
      pkgs.nixos-container.override {
        configurationDirectory = "/etc/${containersDir}";
        stateDirectory = "/var/lib/${containersDir}";
      }
    else
      pkgs.nixos-container;

  # What nixos-container starts by its name: it builds with Nix, which reads flakes with git, also
  # over ssh, and it removes containers with chattr and umount.
  builders = [
    nixosContainer
    config.nix.package
    pkgs.git
    pkgs.openssh
    pkgs.e2fsprogs
    pkgs.util-linux
  ];

  limited =
    manifest:
    {
      cpu_quota = cfg.c0re.agentCpuQuota;
      memory_max = cfg.c0re.agentMemoryMax;
    }
    // manifest;

  written = toml.generate "hive.toml" cfg.settings;

  # Programs and directories are looked up by the daemon: a build does not see the host.
  checked = pkgs.runCommand "hive.toml" { } ''
    ${cfg.package}/bin/hive-c0re check --keys-only ${written}
    cp ${written} $out
  '';
in
{
  imports = [
    ./peers.nix
    ./web.nix
  ];

  options.services.hyperhive = {
    enable = lib.mkEnableOption "hyperhive, the supervisor of a hive of coding agents";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.hyperhive;
      defaultText = lib.literalExpression "pkgs.hyperhive";
      description = "The package of hyperhive.";
    };

    hiveName = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      defaultText = lib.literalMD "the name of the host";
      example = "lab";
      description = "What the hive is called in the titles of `top` and of the dashboard.";
    };

    c0re = {
      runtime = lib.mkOption {
        type = lib.types.enum runtimes;
        default = "nixos-container";
        description = "What starts and stops agents; the key `runtime` of hive.toml.";
      };

      agentCpuQuota = lib.mkOption {
        type = lib.types.str;
        default = "200%";
        description = "The `cpu_quota` of each agent that has none of its own.";
      };

      agentMemoryMax = lib.mkOption {
        type = lib.types.str;
        default = "4G";
        description = "The `memory_max` of each agent that has none of its own.";
      };

      agentFlake = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        defaultText = lib.literalMD "the flake that this module comes from";
        description = ''
          The flake reference of hyperhive whose module `agent` is part of the systems that are
          built of an `agent.nix`; the key `hyperhive` of `[containers]`. `hive-c0re update-inputs`
          takes a new one over.
        '';
      };

      agentNixpkgs = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        defaultText = lib.literalMD "the nixpkgs of the flake that this module comes from";
        description = ''
          The flake reference of the nixpkgs of those systems; the key `nixpkgs` of `[containers]`.
        '';
      };

      adminUsers = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        example = [ "muede" ];
        description = ''
          Users who operate the hive: members of the group `hive-admin`, which may use host.sock,
          and may open a shell in the agents' containers.
        '';
      };

      packages = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ ];
        description = "Packages on the PATH of the daemon, and of agents of the runtime `process`.";
      };
    };

    manager = lib.mkOption {
      type = lib.types.nullOr toml.type;
      default = null;
      example = lib.literalExpression ''{ driver = "claude"; }'';
      description = "The manager agent, hm1nd; the keys are those of `[manager]` of hive.toml.";
    };

    agents = lib.mkOption {
      type = lib.types.attrsOf toml.type;
      default = { };
      example = lib.literalExpression ''
        {
          alice = {
            driver = "claude";
            description = "the parser";
          };
        }
      '';
      description = "One attribute for each agent; the keys are those of `[agents.NAME]`.";
    };

    settings = lib.mkOption {
      type = lib.types.submodule { freeformType = toml.type; };
      default = { };
      example = lib.literalExpression ''{ limits.turns = 4; }'';
      description = "Everything else of hive.toml, see docs/configuration.md.";
    };

    configFile = lib.mkOption {
      type = lib.types.path;
      readOnly = true;
      default = checked;
      defaultText = lib.literalMD "the checked hive.toml";
      description = "The hive.toml that is made of the options.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions =
      map
        (message: {
          assertion = false;
          inherit message;
        })
        (
          lib.concatMap names.agentProblems (lib.attrNames cfg.agents)
          ++ map (
            name:
            "services.hyperhive: ${name} is an agent and a peer; an agent's lifecycle is the hive's, a peer's is not"
          ) (lib.intersectLists (lib.attrNames cfg.agents) (lib.attrNames cfg.peers))
          ++ map (
            name:
            "services.hyperhive.agents.${name}: containers.h-${name} is declared, too, and that is the name of the agent's container; rename one of them"
          ) (lib.filter (name: config.containers ? "h-${name}") (lib.attrNames cfg.agents))
        );

    services.hyperhive.settings = lib.mkMerge [
      { runtime = cfg.c0re.runtime; }
      (lib.mkIf (cfg.hiveName != null) { name = cfg.hiveName; })
      (lib.mkIf (cfg.agents != { }) { agents = lib.mapAttrs (_: limited) cfg.agents; })
      (lib.mkIf (cfg.manager != null) { manager = limited cfg.manager; })
      # The harness of an agent comes from the module `agent`, which puts it there.
      (lib.mkIf isNixos {
        containers = {
          programs = lib.mkDefault "/run/current-system/sw/bin";
          hyperhive = lib.mkIf (cfg.c0re.agentFlake != null) cfg.c0re.agentFlake;
          nixpkgs = lib.mkIf (cfg.c0re.agentNixpkgs != null) cfg.c0re.agentNixpkgs;
        };
      })
    ];

    environment.systemPackages = [ cfg.package ];
    environment.etc."hyperhive/hive.toml".source = cfg.configFile;

    users.groups.hive-admin.members = cfg.c0re.adminUsers;

    # The directory of each container's file, see nixos-container.
    boot.enableContainers = lib.mkIf isNixos true;

    # An operator's shell in an agent, and in no other machine.
    security.polkit.enable = lib.mkIf hasContainers true;
    security.polkit.extraConfig = lib.mkIf hasContainers ''
      polkit.addRule(function (action, subject) {
        var machine = action.lookup("machine") || "";
        if (action.id == "org.freedesktop.machine1.shell"
            && (machine == "hm1nd" || machine.indexOf("h-") == 0)
            && subject.isInGroup("hive-admin")) {
          return polkit.Result.YES;
        }
      });
    '';

    # The same as `hive-c0re install-unit` prints; a test compares both.
    systemd.services.hive-c0re = {
      description = "hyperhive, the supervisor of a hive of coding agents";
      wants = [ "dbus.socket" ];
      after = [
        "dbus.socket"
        "nix-daemon.socket"
        "network.target"
      ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 60;
      startLimitBurst = 10;

      # A switch to a new hive.toml is a reload: agents and their turns go on.
      reloadTriggers = [ cfg.configFile ];

      path = cfg.c0re.packages ++ [ config.systemd.package ] ++ lib.optionals isNixos builders;
      environment = {
        HYPERHIVE_RUN_DIR = "%t/hyperhive";
        HYPERHIVE_STATE_DIR = "%S/hyperhive";
        HYPERHIVE_GIT = lib.getExe pkgs.git;
        HYPERHIVE_NIX = lib.getExe' config.nix.package "nix";
      }
      // lib.optionalAttrs isNixos {
        # A host may be built from a flake without this in its nix.conf.
        NIX_CONFIG = "extra-experimental-features = nix-command flakes";
        # Nix's own daemon builds: its sandbox cannot be set up within the restrictions of this unit.
        NIX_REMOTE = "daemon";
      };

      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/hive-c0re serve --no-status --keep-agents --config /etc/hyperhive/hive.toml";
        ExecReload = "${cfg.package}/bin/hive-c0re reload";
        Restart = "on-failure";
        RestartSec = "1s";
        WatchdogSec = "30s";
        TimeoutStopSec = "90s";
        LimitNOFILE = "1024:524288";
        OOMScoreAdjust = -500;
        MemoryMin = "256M";
        KillMode = "process";
        RuntimeDirectory = "hyperhive";
        RuntimeDirectoryMode = "0751";
        RuntimeDirectoryPreserve = true;
        StateDirectory = "hyperhive";
        StateDirectoryMode = "0750";
        ConfigurationDirectory = containersDir;
        ReadWritePaths = "/etc/${containersDir}";
        NoNewPrivileges = true;
        ProtectSystem = "full";
        ProtectClock = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        LockPersonality = true;
        RestrictRealtime = true;
      };
    };
  };
}
