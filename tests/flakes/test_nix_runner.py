"""What Nix is started with, whatever environment the daemon has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hive.flakes.nix_runner import NixRunner


async def environment(nix: NixRunner) -> dict[str, str]:
    """Return the variables with which it builds."""
    lines: list[str] = []
    await nix.build(("x",), lines.append)
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def nix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NixRunner:
    """Return a runner of a program that prints its variables; ssh is where nothing else is."""
    ssh, program = tmp_path / "keys/ssh", tmp_path / "bin/nix"
    for path in (ssh, program):
        path.parent.mkdir()
        path.write_text("#!/bin/sh\n/usr/bin/env\n")
        path.chmod(0o755)
    for name in ("NIX_REMOTE", "NIX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{ssh.parent}:/bin")
    return NixRunner(program, tmp_path / "git/git", tmp_path / "cache", tmp_path / "socket")


async def test_programs_that_nix_starts_are_found(nix: NixRunner, tmp_path: Path) -> None:
    path = (await environment(nix))["PATH"].split(":")
    assert path == [str(tmp_path / each) for each in ("bin", "git")] + [
        *("/usr/bin", "/bin", str(tmp_path / "keys"))
    ]


async def test_the_daemon_of_nix_builds_if_there_is_one(
    nix: NixRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "NIX_REMOTE" not in await environment(nix)
    await asyncio.to_thread(nix.daemon.touch)
    assert (await environment(nix))["NIX_REMOTE"] == "daemon"
    monkeypatch.setenv("NIX_REMOTE", "ssh-ng://builder")
    assert (await environment(nix))["NIX_REMOTE"] == "ssh-ng://builder"
