"""docs/installing.md, run as written in a fresh Debian: from nothing to an answer, and upgraded.

It takes some six minutes on an idle machine, as it makes Debian three times, and twenty on a busy
one, so it runs only with `make test-installing`. Its host is not one of `python -m tests.testbed`:
it needs the network, and its programs are those of the fresh Debian.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installing.installing_page import Command, Section, sections, unmet
from tests.testbed import debian, host
from tests.testbed.host import ROOT, Host, booted_tree

ASKED_FOR = "HYPERHIVE_TEST_INSTALLING"
CLONE = "srv/hyperhive"
SOURCES = ("actors", "hive", "README.md", "LICENSE", "pyproject.toml", "hatch_build.py")
"""What a wheel is built from."""

COMMAND_SECONDS = 900.0

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(2700)]


class FreshHost:
    """A host on which the commands of the page are run, as one shell would run those of a section.

    Attributes:
        log: What ran, and how long it took.
    """

    def __init__(self, host: Host, root: Path) -> None:
        self._host, self._root = host, root
        self.log: list[str] = []

    def run(self, section: Section) -> None:
        """Write the files of a section, then run its commands."""
        for text in section.files:
            path = self._root / "etc/hyperhive/hive.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        exported = ""
        for command in section.commands:
            if command.line.startswith("export "):
                exported += f"{command.line}; "
            else:
                self._run_command(command, exported)

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell as root."""
        variables = debian.environment() | {"HOME": "/root", "LANG": "C.UTF-8"}
        variables["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        argv = self._host.command(["/bin/bash", "-c", line], variables)
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )

    def _run_command(self, command: Command, exported: str) -> None:
        started = time.monotonic()
        done = self.shell(exported + command.line)
        self.log.append(f"{time.monotonic() - started:6.1f} s  {command.line}")
        printed = f"{done.stdout}{done.stderr}"
        told = f"{command.line}: {done.returncode}\n{printed}{self._journal(done.returncode)}"
        assert done.returncode == (1 if command.may_fail else 0), told
        assert not list(unmet(command, printed)), told

    def _journal(self, status: int) -> str:
        return self.shell("journalctl --no-pager --lines=60").stdout if status else ""


@pytest.fixture
def fresh() -> Iterator[FreshHost]:
    if not os.environ.get(ASKED_FOR):
        pytest.skip("takes minutes, and runs with 'make test-installing'")
    if reason := host.missing() or debian.missing():
        pytest.skip(reason)
    # Not below /tmp, which may be in memory: three systems take 2 GiB.
    with tempfile.TemporaryDirectory(prefix="hyperhive-installing-", dir="/var/tmp") as directory:
        root = Path(directory, "root")
        debian.make_tree(root)
        _copy_clone(root / CLONE)
        with booted_tree(root) as booted:
            yield FreshHost(booted, root)


def _copy_clone(target: Path) -> None:
    target.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)


def test_every_command_of_the_page_does_what_it_shows(fresh: FreshHost) -> None:
    page = {each.title: each for each in sections((ROOT / "docs/installing.md").read_text())}
    try:
        for title in ("The host's programs", "hyperhive", "hive.toml", "The image", "The service"):
            fresh.run(page[title])
        fresh.run(page["Upgrading"])
        # The other ways to install put the programs in the same place.
        assert fresh.shell("rm /usr/local/bin/hive-*").returncode == 0
        fresh.run(page["pipx"])
        assert fresh.shell("rm /usr/local/bin/hive-*").returncode == 0
        uv = "python3 -m venv /opt/uv-itself && /opt/uv-itself/bin/pip install --quiet uv"
        assert fresh.shell(f"{uv} && ln -s /opt/uv-itself/bin/uv /usr/local/bin/").returncode == 0
        fresh.run(page["uv"])
    finally:
        print("\n".join(["", *fresh.log]))  # noqa: T201
    assert {each.title for each in page.values() if each.commands} == {
        *("The host's programs", "hyperhive", "hive.toml", "The image", "The service"),
        *("Upgrading", "pipx", "uv"),
    }
