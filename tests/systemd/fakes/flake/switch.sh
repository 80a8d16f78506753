#!/bin/sh
# Inside a container: /etc and the current system become those of the profile.
set -eu
system=$(readlink -f /nix/var/nix/profiles/system)
cp -r --remove-destination "$system/etc/." /etc/
ln -sfn "$system" /run/current-system
ln -sfn /run /var/run
[ "$1" = boot ] || systemctl daemon-reload
