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
  ) (name: name)
  // {
    buildPythonPackage = arguments: arguments // { outPath = "/nix/store/library"; };
    python.withPackages = packages: "/nix/store/environment-of-${toString (packages { })}";
  };
  runCommand =
    _: attributes: script:
    pkgs.hyperhive // attributes // { inherit script; };

  nixpkgs = {
    inherit lib;
    rev = "0123456789abcdef0123456789abcdef01234567";
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
              inherit lib python3Packages runCommand;
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

  # A system of an agent that imports the module twice: by its `agent.nix`, and as a deploy does.
  agent =
    (lib.evalModules {
      specialArgs.pkgs = nixpkgs.legacyPackages.aarch64-linux;
      modules = [
        (import ./nixos.nix { inherit lib pkgs; })
        self.nixosModules.agent
        { imports = [ self.nixosModules.agent ]; }
      ];
    }).config;

  package = self.packages.x86_64-linux.default;
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
  agent = {
    inherit (agent.hyperhive) package;
    inherit (agent.system) extraDependencies;
  };
  package = {
    inherit (package) pname version script;
    inherit (package.passthru.library) dependencies build-system pythonImportsCheck;
  };
}
