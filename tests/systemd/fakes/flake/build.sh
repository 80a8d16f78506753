# Run by Nix: makes the system from the variables of the derivation.
set -eu
mkdir -p "$out/bin"
cp -r "$etc" "$out/etc"
cp "$init" "$out/init"
cp "$switch" "$out/bin/switch-to-configuration"
chmod +x "$out/init" "$out/bin/switch-to-configuration"
echo "$version" >"$out/nixos-version"
