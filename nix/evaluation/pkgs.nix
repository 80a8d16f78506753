# The packages and functions of nixpkgs that the modules of this project use. A package has a path
# without a hash, so that what is evaluated is the same everywhere.
{ lib }:
let
  package = name: program: {
    type = "derivation";
    inherit name;
    pname = name;
    outPath = "/nix/store/${name}";
    meta.mainProgram = program;
  };

  # pkgs/pkgs-lib/formats.nix
  tomlValue =
    lib.types.oneOf (
      with lib.types;
      [
        bool
        int
        float
        str
        path
        (attrsOf tomlValue)
        (listOf tomlValue)
      ]
    )
    // {
      description = "TOML value";
    };
in
{
  claude-code = package "claude-code" "claude";
  e2fsprogs = package "e2fsprogs" "e2fsck";
  git = package "git" "git";
  hyperhive = package "hyperhive" "hive-c0re";
  nix = package "nix" "nix";
  nixos-container = package "nixos-container" "nixos-container" // {
    override = changed: package "nixos-container-of${changed.stateDirectory}" "nixos-container";
  };
  openssh = package "openssh" "ssh";
  ripgrep = package "ripgrep" "rg";
  systemd = package "systemd" "systemctl";
  util-linux = package "util-linux" "mount";

  formats.toml = { }: {
    type = tomlValue;
    generate = name: value: builtins.deepSeq value "/nix/store/written-${name}";
  };
  runCommand = name: _: script: package "checked-${name}" name // { inherit script; };
}
