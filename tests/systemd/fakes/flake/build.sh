# Run by Nix: makes the system from the variables of the derivation.
set -eu
mkdir -p "$out/bin" "$out/sw/bin"
cp -r "$etc" "$out/etc"
cp "$init" "$out/init"
cp "$switch" "$out/bin/switch-to-configuration"
chmod +x "$out/init" "$out/bin/switch-to-configuration"
echo "$version" >"$out/nixos-version"

# A program that only the system has, not the host's /usr.
printf '#!/bin/sh\necho "own program, $GREETING"\nsleep "${1:-0}"\n' >"$out/sw/bin/own-program"
chmod +x "$out/sw/bin/own-program"
