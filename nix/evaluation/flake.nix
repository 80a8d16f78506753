# The outputs of the flake, without the network: nixpkgs is the library and a few packages.
{ lib, pkgs }:
let
  python3Packages = lib.genAttrs (
    [
      "hatchling"
    ]
    ++ map (each: lib.head (builtins.match "([A-Za-z0-9_-]+).*" each)) (
      let
        inherit (lib.importTOML ../../pyproject.toml) project;
      in
      project.dependencies ++ lib.concatLists (lib.attrValues project.optional-dependencies)
    )
  ) (name: name) // { buildPythonApplication = arguments: pkgs.hyperhive // { inherit arguments; }; };

  nixpkgs = {
    inherit lib;
    legacyPackages = lib.genAttrs systems (
      system:
      pkgs
      // {
        inherit python3Packages;
        stdenv.hostPlatform = { inherit system; };
        callPackage =
          file: given:
          import file (
            {
              inherit lib python3Packages;
            }
            // given
          );
      }
    );
  };
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];

  flake = import ../../flake.nix;
  self = flake.outputs { inherit self nixpkgs; } // {
    outPath = "/nix/store/hyperhive-source";
  };

  # A host that imports the module of the flake, and chooses nothing.
  host =
    (lib.evalModules {
      specialArgs.pkgs = nixpkgs.legacyPackages.aarch64-linux;
      modules = [
        (import ./nixos.nix { inherit lib pkgs; })
        self.nixosModules.default
        { services.hyperhive.enable = true; }
      ];
    }).config.services.hyperhive;

  inherit (self.packages.x86_64-linux.default) arguments;
in
{
  input = flake.inputs.nixpkgs.url;
  outputs = lib.attrNames self;
  modules = lib.attrNames self.nixosModules;
  systems = lib.attrNames self.packages;
  packages = lib.attrNames self.packages.aarch64-linux;
  programs = lib.mapAttrs (_: each: each.program) self.apps.x86_64-linux;
  host = {
    inherit (host) package;
    inherit (host.settings) containers;
  };
  package = {
    inherit (arguments)
      pname
      version
      dependencies
      build-system
      ;
  };
}
