# Peers on the host: their tables of hive.toml, the directories of their sockets, and the bind mount
# into a container that the host declares. Of that container nothing else changes, unless the option
# `hook` is set.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.hyperhive;
  names = import ../names.nix { inherit lib; };

  directoryOf = name: "/run/hyperhive/agents/${name}";

  # An id or a name, as tmpfiles.d(5) has both.
  account = lib.types.either lib.types.ints.unsigned lib.types.str;

  peer = lib.types.submodule (
    { config, ... }:
    {
      options = {
        container = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          example = "damocles";
          description = ''
            The container of `containers` in which the peer lives. It gets the directory of the
            peer's socket at `/run/hive`, read-only.
          '';
        };

        observe = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = if config.container == null then null else "container@${config.container}.service";
          defaultText = lib.literalMD "the unit of `container`";
          example = "container@damocles.service";
          description = "A unit or a machine whose state the hive shows, read-only.";
        };

        socketGroup = lib.mkOption {
          type = lib.types.nullOr account;
          default = null;
          example = 100;
          description = ''
            The group that may use the peer's socket: a name of the host, or the number of a group
            inside the container.
          '';
        };

        socketUser = lib.mkOption {
          type = lib.types.nullOr account;
          default = null;
          example = 1000;
          description = "A user, besides root, who may use the peer's socket; like `socketGroup`.";
        };

        broadcast = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the peer gets broadcasts.";
        };

        hook = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = ''
            Whether the system of `container` gets the module `peer`, enabled and with its `hook`:
            each session of Claude Code in there reports unread mail. The container has to be
            declared with `config`; one with a `path` imports the module by itself.
          '';
        };

        description = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "One line about the peer, for the operator and the other participants.";
        };
      };
    }
  );

  # This module defines an attribute of `containers` for each peer, so only a definition of another
  # module shows that the container exists, and how it is declared.
  declarations =
    container:
    lib.concatMap (
      each: lib.optional (each.file != toString ./peers.nix) (each.value.${container} or null)
    ) options.containers.definitionsWithLocations;
  isDeclared = container: lib.any (each: each != null) (declarations container);
  hasPath = container: lib.any (each: each ? path) (declarations container);

  inContainers = lib.filterAttrs (_: each: each.container != null) cfg.peers;

  table =
    each:
    { inherit (each) broadcast; }
    // lib.filterAttrs (_: value: value != null) { inherit (each) observe description; };

  # The setgid bit gives the group of the directory to the socket in it. A default ACL does the same
  # for a user.
  tmpfiles =
    name: each:
    let
      directory = directoryOf name;
      group = if each.socketGroup == null then "root" else toString each.socketGroup;
      user = toString each.socketUser;
    in
    [ "d ${directory} 2750 root ${group} -" ]
    ++ lib.optional (
      each.socketUser != null
    ) "a+ ${directory} - - - - user:${user}:x,default:user:${user}:rw";

  # Where a container has users of its own, only a mapped bind has owners that its users know.
  # The start script of NixOS joins the two paths with a colon, so an option can follow.
  isMapped =
    container:
    let
      users = config.containers.${container}.privateUsers or "no";
    in
    users == "pick" || (lib.isInt users && users > 0);

  bind = name: each: {
    bindMounts."/run/hive" = {
      hostPath = directoryOf name;
      mountPoint = lib.mkIf (isMapped each.container) "/run/hive:idmap";
      isReadOnly = true;
    };
  };

  # The package of the host, unless the container chooses one, also by a mere default.
  session = {
    imports = [ ./peer.nix ];
    services.hive-ag3nt = {
      enable = true;
      hook = true;
      package = lib.mkOverride 1400 cfg.package;
    };
  };

  problems =
    lib.concatMap names.peerProblems (lib.attrNames cfg.peers)
    ++ lib.concatLists (
      lib.mapAttrsToList (
        name: each:
        lib.optional (!isDeclared each.container)
          "services.hyperhive.peers.${name}.container: there is no containers.${each.container}; declare it, or leave the option out and bind ${directoryOf name} at /run/hive by yourself"
        ++ lib.optional (each.hook && hasPath each.container)
          "services.hyperhive.peers.${name}.hook: the system of containers.${each.container} is built elsewhere, since it has a path; import nixosModules.peer there and set services.hive-ag3nt.hook"
      ) inContainers
    )
    ++ lib.mapAttrsToList (
      name: _:
      "services.hyperhive.peers.${name}.hook: only a peer with a container gets the module; set container, or import nixosModules.peer in its system and set services.hive-ag3nt.hook"
    ) (lib.filterAttrs (_: each: each.hook && each.container == null) cfg.peers)
    ++ lib.mapAttrsToList (
      container: found:
      "services.hyperhive: the peers ${lib.concatStringsSep " and " found} have the same container ${container}; each needs one of its own, since both sockets would be at /run/hive"
    ) (lib.filterAttrs (_: found: lib.length found > 1) peersOf);

  peersOf = lib.foldlAttrs (
    found: name: each:
    found // { ${each.container} = (found.${each.container} or [ ]) ++ [ name ]; }
  ) { } inContainers;
in
{
  options.services.hyperhive.peers = lib.mkOption {
    type = lib.types.attrsOf peer;
    default = { };
    example = lib.literalExpression ''{ damocles.container = "damocles"; }'';
    description = "Participants whose lifecycle is not the hive's, by name.";
  };

  config = lib.mkIf cfg.enable {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) problems;

    services.hyperhive.settings = lib.mkIf (cfg.peers != { }) {
      peers = lib.mapAttrs (_: table) cfg.peers;
    };

    systemd.tmpfiles.rules = lib.optionals (cfg.peers != { }) (
      [
        "d /run/hyperhive 0751 root root -"
        "d /run/hyperhive/agents 0751 root root -"
      ]
      ++ lib.concatLists (lib.mapAttrsToList tmpfiles cfg.peers)
    );

    containers = lib.mkMerge (
      lib.mapAttrsToList (name: each: {
        ${each.container} = bind name each // lib.optionalAttrs each.hook { config = session; };
      }) inContainers
    );

    # A bind mount whose source is missing keeps a container from starting. This unit makes the
    # directory before each start; nothing is required, so it cannot keep the container down either.
    systemd.services = lib.mapAttrs' (
      name: each:
      let
        unit = "container@${each.container}.service";
      in
      lib.nameValuePair "hive-peer-${name}" {
        description = "The directory of the socket of ${name}, a peer of the hive";
        before = [ unit ];
        wantedBy = [ unit ];
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${config.systemd.package}/bin/systemd-tmpfiles --create --prefix=${directoryOf name}";
        };
      }
    ) inContainers;
  };
}
