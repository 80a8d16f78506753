# The dashboard on the host: its table of hive.toml, its service and its user.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.hyperhive;
  web = cfg.web;

  user = "hyperhive-web";

  table = lib.filterAttrs (_: value: value != null && value != [ ]) {
    inherit (web)
      url
      listen
      sessions
      certificate
      key
      ;
    trusted_proxies = web.trustedProxies;
  };

  # The user of the dashboard reads copies that systemd makes for it, so the files may be root's.
  hasCertificate = web.certificate != null && web.key != null;
  arguments = lib.optionalString hasCertificate " --certificate %d/certificate --key %d/key";

  problems =
    lib.optional (web.enable && (web.certificate == null) != (web.key == null))
      "services.hyperhive.web: certificate and key belong together; set both, or none"
    ++ lib.optional (web.enable && web.url == null && lib.hasPrefix "unix:" web.listen)
      "services.hyperhive.web.listen: browsers reach a unix socket by a proxy; set services.hyperhive.domain, or web.url, to its address"
    ++
      lib.optional (cfg.domain != null && builtins.match "[A-Za-z0-9.-]+" cfg.domain == null)
        "services.hyperhive.domain: ${cfg.domain} is no name of a host; give a name such as hive.example.net, and an address with a port in web.url";
in
{
  options.services.hyperhive = {
    domain = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "hive.example.net";
      description = "The name of the host by which browsers reach the dashboard.";
    };

    web = {
      enable = lib.mkEnableOption "the dashboard, a service of its own with a user of its own";

      listen = lib.mkOption {
        type = lib.types.str;
        default = "127.0.0.1:7000";
        example = "unix:/run/hyperhive-web/http.sock";
        description = ''
          Where it listens: an address with a port, or a unix socket for a proxy, which has to be
          in the group `hyperhive-web`.
        '';
      };

      url = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = if cfg.domain == null then null else "https://${cfg.domain}";
        defaultText = lib.literalMD "`https://` and `domain`";
        example = "https://hive.example.net:8443";
        description = "The address by which browsers reach it, without a path.";
      };

      sessions = lib.mkOption {
        type = lib.types.str;
        default = "30d";
        description = "Time after which a browser has to log in again.";
      };

      certificate = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "/var/lib/acme/hive.example.net/fullchain.pem";
        description = ''
          File with its certificate and the chain of that, for TLS without a proxy. The service gets
          a copy when it starts, so root alone may be able to read the file.
        '';
      };

      key = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "/var/lib/acme/hive.example.net/key.pem";
        description = "File with the key of the certificate, likewise.";
      };

      trustedProxies = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        example = [ "127.0.0.1" ];
        description = "IP addresses of proxies whose word about the client's address counts.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) problems;

    services.hyperhive.settings = lib.mkIf web.enable { web = table; };

    users = lib.mkIf web.enable {
      users.${user} = {
        isSystemUser = true;
        group = user;
        description = "The dashboard of hyperhive";
      };
      groups.${user} = { };
    };

    # The same as `hive-c0re install-unit --web` prints; a test compares both.
    systemd.services.hive-c0re-web = lib.mkIf web.enable {
      description = "hyperhive, the dashboard";
      after = [
        "network.target"
        "hive-c0re.service"
      ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 60;
      startLimitBurst = 10;

      # It asks the daemon for its settings when it starts.
      restartTriggers = [ (builtins.toJSON cfg.settings.web) ];

      environment = {
        HYPERHIVE_RUN_DIR = "%t/hyperhive";
        HYPERHIVE_STATE_DIR = "%S/hyperhive";
      };

      serviceConfig = {
        Type = "exec";
        ExecStart = "${cfg.package}/bin/hive-c0re web${arguments}";
        LoadCredential = lib.mkIf hasCertificate [
          "certificate:${web.certificate}"
          "key:${web.key}"
        ];
        Restart = "on-failure";
        RestartSec = "1s";
        TimeoutStopSec = "10s";
        User = user;
        Group = user;
        SupplementaryGroups = "hive-admin";
        RuntimeDirectory = "hyperhive-web";
        RuntimeDirectoryMode = "0751";
        StateDirectory = "hyperhive-web";
        StateDirectoryMode = "0700";
        ProtectHome = true;
        NoNewPrivileges = true;
        CapabilityBoundingSet = "";
        UMask = "0077";
        RemoveIPC = true;
        ProtectSystem = "strict";
        PrivateTmp = true;
        PrivateDevices = true;
        DevicePolicy = "closed";
        ProtectClock = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectProc = "invisible";
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectControlGroups = true;
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = "@system-service";
        SystemCallErrorNumber = "EPERM";
        MemoryMax = "512M";
        TasksMax = 100;
      };
    };
  };
}
