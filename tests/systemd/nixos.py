"""The parts of a NixOS host that containers use: its unit, its program, its Nix, and a flake."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemons import PROGRAMS
from tests.systemd.host.lab import PROGRAMS as BINDS
from tests.systemd.host.lab import bind_lines
from tests.testbed import real_nixos
from tests.testbed.tree import make_image

FAKES = Path(__file__).parent / "fakes"
CONFS = Path("/etc/nixos-containers")
IS_REAL = real_nixos.is_named(os.environ)
PROGRAM = real_nixos.program(os.environ) or FAKES / "nixos-container"
"""`nixos-container`: the real one if the environment names it, else the stand-in."""

_UNITS = real_nixos.units(os.environ) or FAKES
PATH = f"{PROGRAM.parent}:{os.environ['PATH']}"
"""The search path of a host that has `nixos-container`."""

_UNIT = Path("/etc/systemd/system/container@.service")
_NIX_CONF = """\
experimental-features = nix-command flakes
build-users-group =
sandbox = false
substituters =
fsync-metadata = false
"""
"""Nix builds as root in the host, without substituters; its results need not last."""

NIXPKGS = """
{
  outputs = { self }: {
    lib.nixosSystem = { modules }:
      let
        read = module:
          if builtins.isAttrs module then module
          else if builtins.isFunction module then module { options.boot = { }; }
          else import module;
        all = builtins.foldl' (a: b: a // b) { } (map read modules);
      in {
        config.system.build.toplevel = derivation {
          name = "nixos-system-${all.networking.hostName}";
          system = all.nixpkgs.hostPlatform;
          builder = "/bin/sh";
          args = [ ./build.sh ];
          PATH = "/usr/bin";
          init = if all.boots or true then ./init.sh else ./fails.sh;
          switch = ./switch.sh;
          etc = ./etc;
          inherit (all) version;
        };
      };
  };
}
"""
"""In the place of nixpkgs: a system is a directory that a container can boot."""


def missing() -> str | None:
    """Return why flakes cannot be built here; None if they can."""
    return None if shutil.which("nix") else "this needs nix: run tests/testbed/install.sh"


def install() -> None:
    """Install the container unit of NixOS, and configure Nix to build without a network."""
    unit = (_UNITS / _UNIT.name).read_text().replace("${fakes}", str(FAKES))
    if IS_REAL:
        _make_places()
    for path, text in ((_UNIT, unit), (Path("/etc/nix/nix.conf"), _NIX_CONF)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def _make_places() -> None:
    """Make what the real start script binds and the real program logs in with."""
    for directory in ("/nix/store", "/nix/var/nix/db", "/nix/var/nix/daemon-socket"):
        Path(directory).mkdir(parents=True, exist_ok=True)
    Path("/etc/resolv.conf").touch()


def make_flake(directory: Path, version: str = "1") -> Path:
    """Create a flake with the systems of `alice`, `bob` and `container`; return its path.

    Args:
        directory: Where to make it.
        version: What its systems say in `/run/current-system/nixos-version`.
    """
    flake = directory / "flake"
    shutil.copytree(FAKES / "flake", flake)
    make_image(directory / "image")
    shutil.move(directory / "image" / "etc", flake / "etc")
    shutil.rmtree(directory / "image")
    (flake / "etc/machine-id").unlink()  # each container has its own
    (flake / "platform").write_text(f"{platform.machine()}-linux")
    release(flake, version)
    return flake


def make_nixpkgs(directory: Path, flake: Path) -> Path:
    """Create a flake with `lib.nixosSystem`, of the parts of the flake that `make_flake` made."""
    nixpkgs = directory / "nixpkgs"
    shutil.copytree(flake, nixpkgs, symlinks=True)
    (nixpkgs / "flake.nix").write_text(NIXPKGS)
    (nixpkgs / "fails.sh").write_text("#!/bin/sh\necho it does not boot\nexit 3\n")
    return nixpkgs


def hive_toml(flake: Path) -> str:
    """Return the beginning of the hive.toml of a hive whose containers are built from a flake."""
    binds = [bind for bind in BINDS if bind.source != Path("/usr")]  # the host's is there already
    return f"""
runtime = "nixos-container"
[containers]
flake = "{flake}#{{name}}"
programs = "{PROGRAMS}"
{bind_lines(binds)}"""


@contextmanager
def declared(directory: Path, container: str) -> Iterator[Path]:
    """Declare a container in the configuration of the host; yield the file that declares it.

    It is a link to a file that not even root can write to, as one of the store is.

    Whichever test comes first finds no directory of containers: nothing but `nixos-container`
    and the host's configuration makes it.
    """
    file = directory / f"{container}.conf"
    file.write_text("PRIVATE_NETWORK=1\nAUTO_START=0\n")
    CONFS.mkdir(exist_ok=True)
    link = CONFS / file.name
    link.symlink_to(file)
    subprocess.run(["mount", "--bind", file, file], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", file], check=True)
    try:
        yield file
    finally:
        link.unlink()
        subprocess.run(["umount", file], check=True)


def release(flake: Path, version: str) -> None:
    """Change the version of a flake's systems."""
    (flake / "version").write_text(version)


def destroy_all() -> None:
    """Kill and destroy every container of the host that its configuration does not declare.

    A systemd inside that is told to stop just after its boot may wait 25 seconds for its bus.
    """
    for conf in CONFS.glob("*.conf"):
        kill = ("systemctl", "kill", "--signal=KILL", f"container@{conf.stem}.service")
        subprocess.run(kill, check=False, stderr=subprocess.DEVNULL)
        destroy = [PROGRAM, "destroy", conf.stem]
        subprocess.run(destroy, check=True, env={**os.environ, "PATH": PATH})
