# The package, built from pyproject.toml with the Python of nixpkgs. `extras` are those of
# pyproject.toml; the container runtimes need "systemd".
{
  lib,
  python3Packages,
  extras ? [
    "claude"
    "mcp"
    "systemd"
    "tui"
    "web"
  ],
}:
let
  inherit (lib.importTOML ../pyproject.toml) project;

  # `cronsim>=2.7` is the attribute `cronsim`. nixpkgs names packages as the index does.
  attribute = requirement: lib.head (builtins.match "([A-Za-z0-9_-]+).*" requirement);
  packagesOf = map (requirement: python3Packages.${attribute requirement});
in
python3Packages.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  pyproject = true;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../CHANGELOG.md
      ../LICENSE
      ../README.md
      ../actors
      ../docs
      ../examples
      ../hatch_build.py
      ../hive
      ../pyproject.toml
    ];
  };

  build-system = [ python3Packages.hatchling ];
  dependencies =
    packagesOf project.dependencies
    ++ lib.concatMap (extra: packagesOf project.optional-dependencies.${extra}) extras;

  # nixpkgs has one version of each library, and constraints.txt has the tested ones.
  pythonRelaxDeps = true;
  pythonImportsCheck = [
    "actors"
    "hive"
    "hive.harness.cli"
  ];

  meta = {
    inherit (project) description;
    license = lib.licenses.mit;
    mainProgram = "hive-c0re";
    platforms = lib.platforms.linux;
  };
}
