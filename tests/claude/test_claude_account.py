"""Identity of the account, and waiting for a login."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
from pathlib import Path

import pytest

from hive.harness.claude.account import FINGERPRINT_LENGTH, RETRY_AFTER, Login


def test_a_fingerprint_identifies_the_account_and_reveals_nothing_of_it(tmp_path: Path) -> None:
    key = {"ANTHROPIC_API_KEY": "sk-secret"}
    one = Login(key, tmp_path).fingerprint()
    assert one == Login({**key, "PATH": "x"}, tmp_path / "other").fingerprint()
    assert one != Login({"ANTHROPIC_API_KEY": "sk-other"}, tmp_path).fingerprint()
    assert one != Login({**key, "ANTHROPIC_BASE_URL": "http://x"}, tmp_path).fingerprint()
    assert len(one) == FINGERPRINT_LENGTH
    assert "secret" not in one


def test_a_login_is_identified_by_its_account_in_any_home(tmp_path: Path) -> None:
    for home, token in (("a", "1"), ("b", "2")):
        (tmp_path / home / ".claude").mkdir(parents=True)
        (tmp_path / home / ".claude" / ".credentials.json").write_text(token)
        account = {"oauthAccount": {"accountUuid": "u-1"}}
        (tmp_path / home / ".claude.json").write_text(json.dumps(account))
    one, two = Login({}, tmp_path / "a"), Login({}, tmp_path / "b")
    assert one.fingerprint() == two.fingerprint()
    assert Login({}, tmp_path / "none").fingerprint() != one.fingerprint()


@pytest.mark.sim
async def test_a_new_login_ends_the_wait_and_so_does_a_time_out(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    login = Login({}, tmp_path)
    started = loop.time()
    await login.changed()
    assert loop.time() - started == pytest.approx(RETRY_AFTER, abs=3)
    waiting = asyncio.create_task(login.changed())
    await asyncio.sleep(5)
    assert not waiting.done()
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / ".credentials.json").write_text("{}")
    started = loop.time()
    await waiting
    assert loop.time() - started <= 3


def test_the_command_that_logs_in_names_the_program_and_the_home(tmp_path: Path) -> None:
    home = tmp_path / "my home"

    command = Login({}, home).command(Path("/opt/claude code/claude"))

    assert shlex.split(command) == [f"HOME={home}", "/opt/claude code/claude", "auth", "login"]
    program = Path(shlex.split(Login({}, home).command())[1])
    assert program.name == "claude"
    assert program.is_absolute() == (program.exists() or shutil.which("claude") is not None)
