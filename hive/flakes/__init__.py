"""Flakes: how the NixOS systems of agents are built from their applied commits.

`nix_runner` runs Nix. `meta_flake` is one flake with an input for each agent; its log has
successful deploys only. `flake_check` is the check of a proposal's flake with Nix.

Pure: `flake_texts` has the generated flake.nix files, `lock_file` what a lock pins and what differs
between two, `lock_check` whether a flake may be built of what its lock pins.
"""
