# Evaluates the modules with the library of nixpkgs alone: what a host, a peer and an agent are made
# of, as JSON. `tests/nix` has the expected values, and compares them with what hive-c0re does.
#
#   nix-instantiate --eval --strict --json --arg lib 'import PATH/lib' nix/evaluation
{ lib }:
let
  pkgs = import ./pkgs.nix { inherit lib; };

  evaluate =
    {
      modules,
      isRenamed ? true,
    }:
    let
      evaluated = lib.evalModules {
        specialArgs = { inherit pkgs; };
        modules = [
          (import ./nixos.nix { inherit lib pkgs isRenamed; })
        ]
        ++ modules;
      };
      failed = lib.filter (each: !each.assertion) evaluated.config.assertions;
    in
    {
      inherit (evaluated) config options;
      problems = map (each: each.message) failed;
    };

  host = ../modules/hive-c0re.nix;
  damocles = ./damocles.nix;
  enabled.services.hyperhive.enable = true;

  # What a host consists of.
  hostOf =
    modules:
    let
      found = evaluate { modules = [ host ] ++ modules; };
      inherit (found) config;
    in
    {
      inherit (found) problems;
      inherit (config.services.hyperhive) settings;
      inherit (config.security) polkit;
      inherit (config.users) groups users;
      containers = lib.mapAttrs containerOf config.containers;
      enableContainers = config.boot.enableContainers;
      files = lib.mapAttrs (_: each: each.source) config.environment.etc;
      check = config.services.hyperhive.configFile.script;
      packages = config.environment.systemPackages;
      services = config.systemd.services;
      tmpfiles = config.systemd.tmpfiles.rules;
    };

  # `config` is another evaluation, and `path` is not set where `config` is.
  containerOf = _: container: removeAttrs container [ "config" ];

  problemsOf = modules: (evaluate { modules = [ host ] ++ modules; }).problems;

  insideOf =
    {
      module,
      settings ? { },
      isRenamed ? true,
    }:
    let
      found = evaluate {
        inherit isRenamed;
        modules = [
          module
          settings
        ];
      };
      inherit (found) config;
    in
    {
      inherit (found) problems;
      inherit (config) boot;
      files = lib.mapAttrs (_: each: each.text) config.environment.etc;
      packages = config.environment.systemPackages;
      services = config.systemd.services;
      nix = config.nix.settings;
      inherit (config.system) stateVersion;
      unfree = config.nixpkgs.config.allowUnfreePackages;
    };

  peerOf =
    settings:
    insideOf {
      module = ../modules/peer.nix;
      settings.services.hive-ag3nt = {
        enable = true;
      }
      // settings;
    };

  # The inside of a declared container with the hook of a peer.
  hookedOf =
    system:
    insideOf {
      module =
        (evaluate {
          modules = [
            host
            enabled
            {
              containers.damocles.config = system;
              services.hyperhive.peers.damocles = {
                container = "damocles";
                hook = true;
              };
            }
          ];
        }).config.containers.damocles.config;
    };

  agent = ../modules/agent.nix;
  withPeer = peer: {
    imports = [
      damocles
      enabled
    ];
    services.hyperhive.peers.damocles = peer;
  };
  names = import ../names.nix { inherit lib; };

  # The reference of the options of a module below a prefix.
  reference =
    module: prefix:
    map
      (option: {
        inherit (option) name type;
        description = option.description.text or option.description;
        default = option.default.text or null;
        example = option.example.text or null;
      })
      (
        lib.filter (option: option.visible && !option.internal && lib.hasPrefix prefix option.name) (
          lib.optionAttrSetToDocList (evaluate { modules = [ module ]; }).options
        )
      );
in
{
  hosts = {
    empty = hostOf [ enabled ];
    disabled = hostOf [ damocles ];
    example = hostOf [
      damocles
      ./host.nix
    ];
    # Before and after the line of the peer.
    before = hostOf [
      damocles
      enabled
    ];
    after = hostOf [
      damocles
      enabled
      { services.hyperhive.peers.damocles.container = "damocles"; }
    ];
    processes = hostOf [
      enabled
      { services.hyperhive.c0re.runtime = "process"; }
    ];
    user = hostOf [
      (withPeer {
        container = "damocles";
        socketUser = 1000;
      })
    ];
    older = hostOf [
      enabled
      { system.stateVersion = "21.11"; }
    ];
    group = hostOf [
      (withPeer {
        container = "damocles";
        socketGroup = 100;
      })
    ];
    flaked = hostOf [
      enabled
      { services.hyperhive.c0re.agentFlake = "path:/nix/store/hyperhive-source"; }
    ];
    dashboard = hostOf [
      enabled
      {
        services.hyperhive = {
          hiveName = "lab";
          domain = "hive.example.net";
          web.enable = true;
          web.trustedProxies = [ "127.0.0.1" ];
        };
      }
    ];
    tls = hostOf [
      enabled
      {
        services.hyperhive = {
          web = {
            enable = true;
            url = "https://hive.example.net:8443";
            listen = "[::]:8443";
            sessions = "12h";
            certificate = "/var/lib/acme/hive.example.net/fullchain.pem";
            key = "/var/lib/acme/hive.example.net/key.pem";
          };
          settings.web.quiet_hours = "22:00-07:00";
        };
      }
    ];
    mapped = hostOf [
      (withPeer { container = "damocles"; })
      { containers.damocles.privateUsers = "pick"; }
    ];
  };

  problems = {
    agentAndPeer = problemsOf [
      enabled
      {
        services.hyperhive.agents.alice = { };
        services.hyperhive.peers.alice = { };
      }
    ];
    certificateWithoutKey = problemsOf [
      enabled
      {
        services.hyperhive.web.enable = true;
        services.hyperhive.web.certificate = "/etc/tls/chain.pem";
      }
    ];
    socketWithoutAddress = problemsOf [
      enabled
      {
        services.hyperhive.web.enable = true;
        services.hyperhive.web.listen = "unix:/run/hyperhive-web/http.sock";
      }
    ];
    domainWithPort = problemsOf [
      enabled
      { services.hyperhive.domain = "https://hive.example.net:8443"; }
    ];
    containerOfAnAgent = problemsOf [
      enabled
      {
        services.hyperhive.agents.alice = { };
        containers.h-alice.path = "/nix/store/system";
      }
    ];
    containerIsMissing = problemsOf [ (withPeer { container = "damokles"; }) ];
    hookWithoutContainer = problemsOf [
      enabled
      { services.hyperhive.peers.damocles.hook = true; }
    ];
    hookOfAPath = problemsOf [
      (withPeer {
        container = "damocles";
        hook = true;
      })
    ];
    containerOfTwo = problemsOf [
      (withPeer { container = "damocles"; })
      { services.hyperhive.peers.second.container = "damocles"; }
    ];
    names = problemsOf [
      enabled
      {
        services.hyperhive.agents = {
          Alice = { };
          ten-letters = { };
          operator = { };
        };
        services.hyperhive.peers = {
          "da_mocles" = { };
          hm1nd = { };
        };
      }
    ];
    programOfAPeer = (peerOf { program = [ "/bin/answer" ]; }).problems;
    noProgram = (peerOf { mode = "agent"; }).problems;
    bellOfAnAgent =
      (peerOf {
        mode = "agent";
        driver = "claude";
        bell = "true";
      }).problems;
    pathOfTheHarness =
      (insideOf {
        module = agent;
        settings.systemd.services.hive-agent.path = [ pkgs.ripgrep ];
      }).problems;
    removed =
      (insideOf {
        module = agent;
        settings.hyperhive.model = "claude-sonnet-5";
      }).problems;
    removedTable =
      (insideOf {
        module = agent;
        settings.hyperhive.user.name = "muede";
      }).problems;
  };

  peers = {
    plain = peerOf { };
    session = peerOf {
      user = "muede";
      hook = true;
      mcp = true;
      bell = ''notify-send "$HIVE_NEWS" 100%'';
    };
    hooked = hookedOf { };
    # A system that has the module already, as the flake gives it, and settings of its own.
    hookedTwice = hookedOf (
      { lib, ... }:
      {
        imports = [ ../modules/peer.nix ];
        services.hive-ag3nt = {
          enable = true;
          user = "muede";
          hook = true;
          package = lib.mkDefault pkgs.ripgrep;
        };
      }
    );
    worker = peerOf {
      mode = "agent";
      program = [
        "/bin/answer"
        "--in one word"
      ];
    };
  };

  agents = {
    plain = insideOf { module = agent; };
    old = insideOf {
      module = agent;
      isRenamed = false;
    };
    without = insideOf {
      module = agent;
      settings.hyperhive.claudeCode.enable = false;
      settings.hyperhive.packages = [ pkgs.ripgrep ];
      settings.system.stateVersion = "26.11";
      settings.nixpkgs.config.allowUnfreePackages = [ "steam" ];
    };
  };

  names = lib.genAttrs (import ./name-samples.nix) (name: {
    agent = names.agentProblems name == [ ];
    peer = names.peerProblems name == [ ];
  });

  options = {
    host = reference host "services.hyperhive.";
    peer = reference ../modules/peer.nix "services.hive-ag3nt.";
    agent = reference agent "hyperhive.";
  };

  flake = import ./flake.nix { inherit lib pkgs; };
}
