# Systems as NixOS's `nixosSystem` makes them, as far as `nixos-container` can tell: without nixpkgs,
# but really built by Nix. Beside this file are `platform`, `version`, and in `etc` what /etc is.
{
  description = "the systems of a hive's containers";

  outputs = { self }:
    let
      system = name: {
        config.system.build.toplevel = derivation {
          name = "nixos-system-${name}";
          system = builtins.readFile ./platform;
          builder = "/bin/sh";
          args = [ ./build.sh ];
          PATH = "/usr/bin";
          init = ./init.sh;
          switch = ./switch.sh;
          etc = ./etc;
          version = builtins.readFile ./version;
        };
      };
    in
    {
      nixosConfigurations = {
        alice = system "alice";
        bob = system "bob";
        container = system "container";
      };
    };
}
