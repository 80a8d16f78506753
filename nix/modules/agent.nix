# Inside the container of an agent of the runtime `nixos-container`: what its harness needs. Before
# each start hive-c0re writes the unit of the harness, of the agent's manifest: model, effort, tools,
# MCP servers, budgets, variables and credentials are keys of agent.toml, which need no build.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.hyperhive;

  # NixOS renamed the option; both sides of the rename are in use.
  container = if options.boot ? isNspawnContainer then "isNspawnContainer" else "isContainer";

  # Options of the existing hyperhive, and the keys that took their place.
  moved = {
    allowedRecipients = "nothing: every participant may send to every other one";
    autoCompact = "claude.compact_at in agent.toml; 0 is never";
    availableModels = "nothing: claude.model in agent.toml takes any model";
    backendEnvironmentFile = "credentials in agent.toml, for files with secrets";
    claudePlugins = "nothing";
    effortLevel = "claude.effort in agent.toml";
    extraMcpServers = "claude.mcp in agent.toml";
    frontend = "the dashboard of the host, which has a page for each agent";
    model = "claude.model in agent.toml";
    user = "nothing: the agent is root of its container, and cwd and env in agent.toml say the rest";
  };
in
{
  imports = lib.mapAttrsToList (
    name: replacement: lib.mkRemovedOptionModule [ "hyperhive" name ] "Its place is taken by ${replacement}."
  ) moved;

  options.hyperhive = {
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.hyperhive;
      defaultText = lib.literalExpression "pkgs.hyperhive";
      description = "The package with `hive-ag3nt` and `hive-m1nd`; of the daemon's version.";
    };

    claudeCode = {
      enable = lib.mkEnableOption "Claude Code on the agent's PATH, an unfree package" // {
        default = true;
      };
      package = lib.mkOption {
        type = lib.types.package;
        default = pkgs.claude-code;
        defaultText = lib.literalExpression "pkgs.claude-code";
        description = "The package of Claude Code.";
      };
    };

    packages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.ripgrep ]";
      description = "Programs that the agent works with, besides git.";
    };
  };

  config = {
    assertions = [
      {
        assertion = config.systemd.services.hive-agent.path == [ ];
        message = "systemd.services.hive-agent.path: it would take the place of the agent's PATH; name the packages in hyperhive.packages";
      }
    ];

    boot.${container} = lib.mkDefault true;

    # NixOS warns at each build of a system that does not say it.
    system.stateVersion = lib.mkDefault "26.05";

    environment.systemPackages = [
      cfg.package
      pkgs.git
    ]
    ++ cfg.packages
    ++ lib.optional cfg.claudeCode.enable cfg.claudeCode.package;

    # What is set here, by this module or an `agent.nix`, is added to the unit that hive-c0re writes.
    # Otherwise NixOS would write one that hides it. A restart by a switch would end the container.
    systemd.services.hive-agent = {
      overrideStrategy = "asDropin";
      enableDefaultPath = false;
      restartIfChanged = false;
      # The store is the host's, and its daemon builds. Only login shells would know it.
      environment.NIX_REMOTE = lib.mkDefault "daemon";
    };

    # The host's permission does not reach the evaluation of an agent's system. This list is merged
    # with others, unlike a predicate; with `nixpkgs.pkgs` the packages are configured already.
    nixpkgs.config = lib.mkIf (cfg.claudeCode.enable && !options.nixpkgs.pkgs.isDefined) {
      allowUnfreePackages = [ "claude-code" ];
    };

    # The agent's network is the host's: its own would-be clients must leave it alone.
    networking.useDHCP = lib.mkDefault false;
  };
}
