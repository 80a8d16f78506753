"""What the driver keeps, which account it is, what the model may use."""

import asyncio
import json
from pathlib import Path

import pytest

from hive.errors import ConfigError
from hive.harness import claude
from hive.harness.claude.account import LENGTH, RETRY, Login
from hive.harness.claude.permissions import allowed, offered, widened
from hive.harness.claude.session_file import (
    Kept,
    Notebook,
    charged,
    in_session,
    next_day,
    spent_today,
)
from hive.harness.drivers import DriverSetup
from hive.harness.registry import load_driver
from hive.wire.claude import ClaudeConfig, McpServer

NOON = 86400.0 * 20000 + 43200


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "claude" / "session.json"
    first = Notebook(path)
    first.read()
    assert first.kept == Kept()
    first.write(Kept(session="s", total_cost=1.5, day="2024-10-04", spent=0.5))
    second = Notebook(path)
    second.read()
    assert second.kept == first.kept
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b'{"session": 5}', b"[]"])
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    notebook = Notebook(path)
    notebook.read()
    assert notebook.kept == Kept()


def test_a_turn_costs_what_the_session_costs_more_than_before() -> None:
    kept, cost = charged(Kept(session="s", total_cost=1.0), 1.25, NOON)
    assert cost == pytest.approx(0.25)
    kept, cost = charged(kept, 1.5, NOON + 60)
    assert spent_today(kept, NOON + 60) == pytest.approx(0.5)
    assert spent_today(kept, NOON + 43200) == 0, "a new day in UTC"
    assert next_day(NOON) == NOON + 43200


def test_a_cost_that_is_not_known_is_said_to_be_so() -> None:
    kept = Kept(session="s", total_cost=2.0)
    assert charged(kept, None, NOON) == (kept, None)
    after, cost = charged(kept, 1.5, NOON)
    assert cost is None, "after a kill, Claude Code knows less than we do"
    assert after.total_cost == 1.5


def test_a_new_session_has_cost_nothing() -> None:
    kept = Kept(session="s", total_cost=2.0, day="d", spent=2.0)
    assert in_session(kept, "s") is kept
    assert in_session(kept, "t") == Kept(session="t", day="d", spent=2.0)


def test_a_fingerprint_is_that_of_the_account_and_tells_nothing_of_it(tmp_path: Path) -> None:
    key = {"ANTHROPIC_API_KEY": "sk-secret"}
    one = Login(key, tmp_path).fingerprint()
    assert one == Login({**key, "PATH": "x"}, tmp_path / "other").fingerprint()
    assert one != Login({"ANTHROPIC_API_KEY": "sk-other"}, tmp_path).fingerprint()
    assert one != Login({**key, "ANTHROPIC_BASE_URL": "http://x"}, tmp_path).fingerprint()
    assert len(one) == LENGTH
    assert "secret" not in one


def test_a_login_counts_by_its_account_in_whichever_home(tmp_path: Path) -> None:
    for home, token in (("a", "1"), ("b", "2")):
        (tmp_path / home / ".claude").mkdir(parents=True)
        (tmp_path / home / ".claude" / ".credentials.json").write_text(token)
        account = {"oauthAccount": {"accountUuid": "u-1"}}
        (tmp_path / home / ".claude.json").write_text(json.dumps(account))
    one, two = Login({}, tmp_path / "a"), Login({}, tmp_path / "b")
    assert one.fingerprint() == two.fingerprint()
    assert Login({}, tmp_path / "none").fingerprint() != one.fingerprint()


@pytest.mark.sim
async def test_a_login_is_noticed_and_otherwise_tried_after_a_while(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    login = Login({}, tmp_path)
    started = loop.time()
    await login.changed()
    assert loop.time() - started == pytest.approx(RETRY, abs=3)
    waiting = asyncio.create_task(login.changed())
    await asyncio.sleep(5)
    assert not waiting.done()
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / ".credentials.json").write_text("{}")
    started = loop.time()
    await waiting
    assert loop.time() - started <= 3


SETTINGS = ClaudeConfig(
    tools=("Read", "Bash(git:*)", "Bash(make:*)"),
    mcp={"x": McpServer(run=("x",), tools=("go",)), "y": McpServer(url="http://y")},
)


def test_only_what_a_rule_names_is_offered() -> None:
    assert offered(SETTINGS) == ("Read", "Bash")
    assert allowed(SETTINGS) == (*SETTINGS.tools, "mcp__hive__*", "mcp__x__go", "mcp__y__*")


def test_whatever_is_offered_beyond_that_is_found() -> None:
    fine = ["Read", "Bash", "mcp__hive__send", "mcp__x__go", "mcp__x__other"]
    assert widened(SETTINGS, fine) == ()
    assert widened(SETTINGS, [*fine, "Write", "mcp__z__a"]) == ("Write", "mcp__z__a")
    assert widened(SETTINGS, ["Bash"]) == (), "less is no danger"


def test_without_the_package_the_driver_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(claude, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'hyperhive\[claude\]'"):
        claude.create(DriverSetup((), 1.0, tmp_path))


def test_the_driver_is_found_by_its_name() -> None:
    assert load_driver("claude") is claude.create
