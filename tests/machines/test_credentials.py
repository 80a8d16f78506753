"""Credentials of agents: copies that only the agent can read."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import FailedError
from hive.machines.credentials import SIZE_MAX, copy_credentials
from tests.machines.labs import ProcessLab


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_bytes(b"hush\0\n")
    path.chmod(0o644)
    return path


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ProcessLab]:
    lab = ProcessLab(tmp_path)
    await lab.runtime.open()
    yield lab
    await lab.close()


def test_the_directory_has_exactly_the_credentials(tmp_path: Path, token: Path) -> None:
    directory = tmp_path / "run" / "credentials" / "alice"
    copy_credentials("alice", {"token": token, "old": token}, directory)
    copy_credentials("alice", {"token": token}, directory)
    assert [path.name for path in directory.iterdir()] == ["token"]
    assert (directory / "token").read_bytes() == token.read_bytes()
    assert stat.S_IMODE((directory / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    copy_credentials("alice", {}, directory)
    copy_credentials("alice", {}, directory)
    assert not directory.exists()


def test_a_file_that_cannot_be_used_is_named_and_nothing_changes(
    tmp_path: Path, token: Path
) -> None:
    directory = tmp_path / "credentials"
    copy_credentials("alice", {"token": token}, directory)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (SIZE_MAX + 1))
    for name, sentence in {
        "missing": f"alice: the credential 'key' cannot be read from {tmp_path}/missing: No such",
        "pipe": "is no file",
        "large": f"has more than {SIZE_MAX} bytes",
    }.items():
        with pytest.raises(FailedError, match=sentence):
            copy_credentials("alice", {"key": tmp_path / name}, directory)
    assert [path.name for path in directory.iterdir()] == ["token"]


async def test_an_agent_reads_its_credentials_and_no_other_place_has_them(
    lab: ProcessLab, token: Path
) -> None:
    script = 'cat "$CREDENTIALS_DIRECTORY/token" > $READY; exec sleep 1000'
    spec = evolve(lab.script(script), credentials={"token": token})
    await lab.start(spec)
    assert "hush" in await lab.read()
    states = await asyncio.to_thread(lambda: list(lab.paths.agents_state_dir.rglob("*")))
    texts = [
        await asyncio.to_thread(each.read_text)
        for each in states
        if each.suffix in {".json", ".log"}
    ]
    assert len(texts) == 2
    assert "hush" not in "".join(texts)
    lines = await asyncio.to_thread(lab.runtime.last_lines, spec, 10)
    assert not [line for line in lines if "hush" in line]
    await lab.runtime.kill("alice")
    await lab.runtime.destroy("alice", purge=False)
    assert not lab.paths.credentials("alice").exists()


async def test_an_agent_with_a_missing_credential_is_not_started(
    lab: ProcessLab, tmp_path: Path
) -> None:
    spec = evolve(lab.spec("waiter"), credentials={"token": tmp_path / "missing"})
    with pytest.raises(FailedError, match="the credential 'token' cannot be read"):
        await lab.start(spec)
    assert await lab.runtime.running() == ()
