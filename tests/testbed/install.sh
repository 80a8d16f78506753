#!/bin/sh
# Install what the testbed needs, on Debian and Ubuntu. Takes root; asks nothing.
set -eu
export DEBIAN_FRONTEND=noninteractive
command -v systemd-nspawn >/dev/null && command -v dbus-daemon >/dev/null &&
    command -v nix >/dev/null && command -v debootstrap >/dev/null && exit 0
apt-get update -qq
apt-get install -qq --yes --no-install-recommends systemd systemd-container dbus util-linux nix-bin debootstrap
