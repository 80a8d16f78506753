# The options of NixOS that the modules of this project set or read, with the types that they have
# there, and nothing of what NixOS makes of them. The path after each one is where nixpkgs declares
# it; whoever uses another option adds it here with its path.
{
  lib,
  pkgs,
  # NixOS before and after it renamed boot.isContainer.
  isRenamed ? true,
}:
let
  inherit (lib) mkOption types;

  option = type: default: mkOption { inherit type default; };
  anything = mkOption { type = types.anything; };
  package = default: option types.package default;

  # nixos/modules/virtualisation/nixos-containers.nix
  container =
    { name, ... }:
    {
      options = {
        autoStart = option types.bool false;
        privateNetwork = option types.bool false;
        privateUsers = option (types.either types.ints.u32 (
          types.enum [
            "no"
            "identity"
            "pick"
          ]
        )) "no";
        path = mkOption { type = types.path; };
        config = mkOption { type = types.deferredModule; };
        bindMounts = option (types.attrsOf (types.submodule bindMount)) { };
      };
    };
  bindMount =
    { name, ... }:
    {
      options = {
        mountPoint = option types.str name;
        hostPath = option (types.nullOr types.str) null;
        isReadOnly = option types.bool true;
      };
    };

  # nixos/lib/systemd-unit-options.nix
  service = {
    options = {
      description = option types.str "";
      wants = option (types.listOf types.str) [ ];
      after = option (types.listOf types.str) [ ];
      before = option (types.listOf types.str) [ ];
      wantedBy = option (types.listOf types.str) [ ];
      startLimitBurst = option (types.nullOr types.int) null;
      startLimitIntervalSec = option (types.nullOr types.int) null;
      restartTriggers = option (types.listOf types.unspecified) [ ];
      reloadTriggers = option (types.listOf types.unspecified) [ ];
      overrideStrategy = option (types.enum [
        "asDropinIfExists"
        "asDropin"
      ]) "asDropinIfExists";
      enableDefaultPath = option types.bool true;
      restartIfChanged = option types.bool true;
      path = option (types.listOf (types.either types.package types.str)) [ ];
      environment = option (types.attrsOf (types.nullOr types.str)) { };
      script = option types.lines "";
      serviceConfig = option (types.attrsOf types.anything) { };
    };
  };

  # nixos/modules/config/users-groups.nix
  user = {
    options = {
      isSystemUser = option types.bool false;
      group = option types.str "";
      description = option types.str "";
    };
  };

  # nixos/modules/system/etc/etc.nix
  file = {
    options = {
      source = option (types.nullOr types.path) null;
      text = option (types.nullOr types.lines) null;
    };
  };
in
{
  options = {
    # nixos/modules/misc/assertions.nix
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = option (types.listOf types.str) [ ];

    # nixos/modules/virtualisation/nixos-containers.nix
    containers = option (types.attrsOf (types.submodule container)) { };
    boot = {
      enableContainers = option types.bool false;
      isContainer = option types.bool false;
    }
    // lib.optionalAttrs isRenamed { isNspawnContainer = option types.bool false; };

    # nixos/modules/config/system-path.nix, nixos/modules/system/etc/etc.nix
    environment.systemPackages = option (types.listOf types.package) [ ];
    environment.etc = option (types.attrsOf (types.submodule file)) { };

    # nixos/modules/tasks/network-interfaces.nix
    networking.useDHCP = option types.bool true;

    # nixos/modules/config/nix.nix, nixos/modules/services/system/nix-daemon.nix
    nix.package = package pkgs.nix;
    nix.settings = option (types.attrsOf types.anything) { };

    # nixos/modules/misc/nixpkgs.nix; pkgs/top-level/config.nix merges the list, and no predicate.
    nixpkgs.pkgs = mkOption { type = types.raw; };
    nixpkgs.config = option (types.submodule {
      freeformType = types.lazyAttrsOf types.raw;
      options.allowUnfreePackages = option (types.listOf types.str) [ ];
    }) { };

    # nixos/modules/security/polkit.nix
    security.polkit.enable = option types.bool false;
    security.polkit.extraConfig = option types.lines "";

    # nixos/modules/system/boot/systemd.nix, nixos/modules/system/boot/systemd/tmpfiles.nix
    systemd.package = package pkgs.systemd;
    systemd.services = option (types.attrsOf (types.submodule service)) { };
    systemd.tmpfiles.rules = option (types.listOf types.str) [ ];

    # nixos/modules/misc/version.nix
    system.stateVersion = option types.str "26.11";

    # nixos/modules/system/activation/top-level.nix
    system.extraDependencies = option (types.listOf types.str) [ ]; # paths in the store

    # nixos/modules/config/users-groups.nix
    users.groups = option (types.attrsOf (
      types.submodule { options.members = option (types.listOf types.str) [ ]; }
    )) { };
    users.users = option (types.attrsOf (types.submodule user)) { };
  };
}
