"""`image`: who may run it, what it needs, and how a real build ends at a signal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hive.cli import images
from tests.support.daemons import eventually

DEBOOTSTRAP = """\
#!/bin/sh
for root; do :; done
mkdir -p "$root/etc/apt" "$root/proc"
mount -t proc proc "$root/proc"
touch "$root/begun"
sleep 1000
"""
"""Begins a tree with a mount in it, and goes no further."""


def test_only_root_can_make_an_image(hive, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ran = hive("image", "debian")
    assert ran.status == 5
    assert "needs root" in ran.err
    assert "sudo hive-c0re image debian" in ran.err


def test_a_missing_debootstrap_is_said_with_its_package(hive, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = hive("image", "debian")
    assert ran.status == 7
    assert "debootstrap is missing on PATH; install the package debootstrap" in ran.err


def test_other_kinds_are_refused(hive):
    ran = hive("image", "arch")
    assert ran.status == 2
    assert "debian" in ran.err


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "bookworm"),
        ({"ID": "debian"}, images.NEWEST_SUITE),
        ({"ID": "ubuntu", "VERSION_CODENAME": "noble"}, images.NEWEST_SUITE),
        ({}, images.NEWEST_SUITE),
    ],
)
def test_an_image_has_the_release_of_a_host_with_debian(release, expected, monkeypatch):
    monkeypatch.setattr(images.platform, "freedesktop_os_release", lambda: release)
    assert images._own_suite() == expected


def test_a_host_without_a_file_about_its_release_is_no_debian(monkeypatch):
    def missing() -> dict[str, str]:
        raise FileNotFoundError

    monkeypatch.setattr(images.platform, "freedesktop_os_release", missing)
    assert images._own_suite() == images.NEWEST_SUITE


class BegunBuild:
    """The real program in a mount namespace of its own, whose /var/lib is a directory of the test.

    Attributes:
        machines: The directory of images, as the program sees it.
        process: The program.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.machines = tmp_path / "lib/machines"
        self.machines.mkdir(parents=True)
        self.tree = self.machines / ".debian.building"
        self._fake = tmp_path / "bin/debootstrap"
        self._fake.parent.mkdir()
        self._fake.write_text(DEBOOTSTRAP)
        self._fake.chmod(0o755)
        self.start()

    def start(self) -> None:
        """Start the program and wait until it has begun a tree."""
        hidden = 'mount --bind "$0" /var/lib && exec "$@"'
        program = (sys.executable, "-m", "hive.cli", "image", "debian")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", hidden, self.machines.parent, *program],
            env={**os.environ, "PATH": f"{self._fake.parent}:{os.environ['PATH']}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually((self.tree / "begun").exists, what="a begun tree")

    def end(self, number: int) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def are_steps_left(self) -> bool:
        """Whether the stand-in still runs."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                if os.fsencode(self._fake) in path.read_bytes():
                    return True
        return False


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[BegunBuild]:
    if os.geteuid() != 0:
        pytest.skip("a real build needs root")
    made = BegunBuild(tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()


@pytest.mark.root
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_real_build_and_leaves_nothing(begun, number, status):
    assert begun.are_steps_left()
    assert begun.end(number) == status
    assert not begun.are_steps_left()
    assert list(begun.machines.iterdir()) == []


@pytest.mark.root
def test_a_killed_build_leaves_no_process_and_the_next_one_begins_anew(begun, tmp_path):
    begun.end(signal.SIGKILL)
    eventually(lambda: not begun.are_steps_left(), what="an end of its steps")
    (begun.tree / "old").touch()
    (begun.tree / "begun").unlink()
    begun.start()
    assert not (begun.tree / "old").exists()
    assert begun.end(signal.SIGTERM) == 143
    assert list(begun.machines.iterdir()) == []
