# The package, built from pyproject.toml with the Python of nixpkgs. `extras` are those of
# pyproject.toml; the container runtimes need "systemd".
{
  lib,
  python3Packages,
  runCommand,
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

  # What needs the libraries of an extra.
  modulesOf = {
    claude = "hive.harness.claude.launch";
    mcp = "hive.harness.mcp.server";
    otel = "hive.telemetry.otlp_exporters";
    systemd = "hive.machines.systemd.dbus";
    tui = "hive.top.terminal_app";
    web = "hive.web.serving";
  };

  library = python3Packages.buildPythonPackage {
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
      "hive.cli.main"
      "hive.harness.cli"
    ]
    ++ lib.attrVals extras modulesOf;

    meta = {
      inherit (project) description;
      license = lib.licenses.mit;
      mainProgram = "hive-c0re";
      platforms = lib.platforms.linux;
    };
  };

  # hyperhive starts itself by `python -m`. In an environment that python has the library; the one
  # of a program that is wrapped alone has not.
  environment = python3Packages.python.withPackages (_: [ library ]);
in
runCommand "${project.name}-${project.version}"
  {
    inherit (library) version meta;
    pname = project.name;
    passthru = { inherit library; };
  }
  ''
    mkdir -p $out/bin
    for program in ${lib.concatStringsSep " " (lib.attrNames project.scripts)}; do
      ln -s ${environment}/bin/$program $out/bin/
    done
    ln -s ${library}/share $out/share
  ''
