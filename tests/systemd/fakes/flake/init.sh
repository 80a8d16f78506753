#!/bin/sh
# What the second stage of NixOS's boot does: the system becomes the current one, then systemd runs.
/nix/var/nix/profiles/system/bin/switch-to-configuration boot
exec /usr/lib/systemd/systemd
