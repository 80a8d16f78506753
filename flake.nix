{
  description = "hyperhive: an actor-model supervisor for swarms of coding agents";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      # A module that takes the package of this flake unless the host chooses another one. The key
      # makes it one module, however often it is imported.
      withPackage = option: module: {
        key = "${toString module}#withPackage";
        _file = toString module;
        imports = [
          module
          (ofFlake option)
        ];
      };
      ofFlake =
        option:
        { pkgs, ... }:
        {
          config = lib.setAttrByPath (option ++ [ "package" ]) (
            lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default
          );
        };
    in
    {
      packages = forEachSystem (pkgs: rec {
        hyperhive = pkgs.callPackage ./nix/package.nix { };
        default = hyperhive;
      });

      apps = forEachSystem (
        pkgs:
        let
          programs = lib.genAttrs [ "hive-c0re" "hive-ag3nt" "hive-m1nd" ] (name: {
            type = "app";
            program = "${self.packages.${pkgs.stdenv.hostPlatform.system}.default}/bin/${name}";
          });
        in
        programs // { default = programs.hive-c0re; }
      );

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.python3
            pkgs.gnumake
            pkgs.git
            pkgs.nix
          ];
        };
      });

      overlays.default = final: _previous: {
        hyperhive = final.callPackage ./nix/package.nix { };
      };

      nixosModules = {
        hive-c0re = {
          imports = [ (withPackage [ "services" "hyperhive" ] ./nix/modules/hive-c0re.nix) ];
          services.hyperhive.c0re.agentFlake = lib.mkDefault "path:${self}";
          services.hyperhive.c0re.agentNixpkgs = lib.mkIf (nixpkgs ? rev) (
            lib.mkDefault "github:NixOS/nixpkgs/${nixpkgs.rev}"
          );
        };
        agent = {
          imports = [ (withPackage [ "hyperhive" ] ./nix/modules/agent.nix) ];
          # Locks of agents' systems name this path: as long as one of them exists, it is no garbage.
          system.extraDependencies = [ self.outPath ];
        };
        peer = withPackage [ "services" "hive-ag3nt" ] ./nix/modules/peer.nix;
        default = self.nixosModules.hive-c0re;
      };

      checks = forEachSystem (
        pkgs:
        import ./nix/tests {
          inherit pkgs;
          inherit (self) nixosModules;
        }
        // {
          package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          modules = pkgs.writeText "modules.json" (
            builtins.toJSON (import ./nix/evaluation { inherit (pkgs) lib; })
          );
        }
      );

      formatter = forEachSystem (pkgs: pkgs.nixfmt);
    };
}
