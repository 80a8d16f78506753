"""The program on Textual: keys, requests, a daemon that goes away, resizes, clicks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from hive.errors import INTERRUPTED
from hive.top.look import Look
from hive.top.state import TopState
from hive.top.terminal_app import Painter, TopApp
from hive.view.text import UNICODE
from tests.top.fake_host import FakeHost, serve
from tests.top.swarm_answers import NOW, SWARM

pytestmark = pytest.mark.loops("asyncio")

VERBS = {"list": "Print names.", "status": "Show."}


@asynccontextmanager
async def running(
    path: Path, size: tuple[int, int] = (120, 40), **chosen: Any
) -> AsyncIterator[tuple[TopApp, Pilot[int]]]:
    """Run the view until the end of the block."""
    state = TopState(verbs=VERBS, **chosen)
    app = TopApp(
        path, state, Look(UNICODE), complete=lambda words, typed: ["alice"], now=lambda: NOW
    )
    async with app.run_test(size=size) as pilot:
        yield app, pilot


def screen(app: TopApp) -> str:
    """Return what is painted, as text."""
    painter = app.screen.query_one(Painter)
    lines = [painter.render_line(y).text.rstrip() for y in range(painter.size.height)]
    return "\n".join(lines)


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait until a condition holds: answers come from another thread."""
    for _ in range(1000):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it never came:\n{screen(pilot.app)}")  # type: ignore[arg-type]


async def shown(pilot: Pilot[int], text: str) -> None:
    """Wait until a text is on the screen."""
    await until(pilot, lambda: text in screen(pilot.app))  # type: ignore[arg-type]


async def test_it_shows_the_hive_and_its_keys(host: FakeHost) -> None:
    async with running(host.path) as (app, pilot):
        await shown(pilot, "merge or rebase?")
        assert "6 agents: 1 waiting, 1 failed, 2 idle" in screen(app)
        await pilot.press("down", "x")
        await shown(pilot, "stop scout? it stays stopped")
        assert not host.asked("stop")
        host.answers["stop"] = {}
        await pilot.press("y")
        await shown(pilot, "scout was stopped")
        assert host.asked("stop") == [
            {"cmd": "stop", "scope": {"agent_names": ["scout"]}, "graceful": True}
        ]


async def test_an_error_of_the_daemon_is_shown_where_the_key_was_pressed(host: FakeHost) -> None:
    async with running(host.path) as (_, pilot):
        await shown(pilot, "coder")
        await pilot.press("p")
        await shown(pilot, "pause coder: unknown set_paused")


async def test_a_question_is_answered_by_a_digit(host: FakeHost) -> None:
    host.answers["answer"] = {}
    async with running(host.path) as (_, pilot):
        await shown(pilot, "merge or rebase?")
        await pilot.press("tab", "2")
        await shown(pilot, "question 12 was answered: rebase")
    assert host.asked("answer") == [{"cmd": "answer", "id": 12, "answer": "rebase"}]


async def test_typed_characters_and_pasted_ones_arrive(host: FakeHost) -> None:
    host.answers["send"] = {"id": 9}
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press("m", "h", "i", "space", "!")
        await shown(pilot, "Message to coder: hi !")
        await pilot.press("left", "backspace", "enter")
        await shown(pilot, "sent to coder")
        del app
    assert host.asked("send") == [{"cmd": "send", "to": "coder", "body": "hi!"}]


async def test_a_daemon_that_goes_away_and_comes_back(host: FakeHost, tmp_path: Path) -> None:
    host.path = tmp_path / "own.sock"
    stop = serve(host)
    async with running(host.path) as (_, pilot):
        await shown(pilot, "merge or rebase?")
        stop()
        await shown(pilot, "last data 22:13:20Z (0s ago): ")
        await shown(pilot, "merge or rebase?")
        host.answers["agent_status"] = {"agent_statuses": [{**SWARM[0], "name": "back"}]}
        stop = serve(host)
        await until(pilot, lambda: "last data" not in screen(pilot.app))  # type: ignore[arg-type]
        await shown(pilot, "back")
        stop()


async def test_an_older_daemon(host: FakeHost) -> None:
    del host.answers["attention"], host.answers["overview"]
    host.answers |= {
        "questions": {"questions": []},
        "dead_letters": {"messages": []},
        "inbox": {"messages": []},
    }
    async with running(host.path) as (_, pilot):
        await shown(pilot, "approve 3")
        await until(pilot, lambda: len(host.asked("agent_status")) > 2)
    assert len(host.asked("attention")) == 1, "it is asked once for each connection"


async def test_a_resize_and_the_keys_for_panes(host: FakeHost) -> None:
    host.answers["logs"] = {"lines": ["one", "two", "\x1b[31mthree"]}
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.state.size == (80, 24))
        assert "RST" not in screen(app)
        await pilot.press("l")
        await shown(pilot, "\\x1b[31mthree")
        await pilot.press("escape")
        await shown(pilot, "AGENTS")


async def test_a_click_selects_and_a_second_one_opens(host: FakeHost) -> None:
    host.answers |= {"turns": {"turns": []}, "inbox": {"messages": []}, "logs": {"lines": []}}
    async with running(host.path) as (app, pilot):
        await shown(pilot, "scout")
        row = next(y for y, text in enumerate(screen(app).split("\n")) if " ✖ scout" in text)
        await pilot.click(offset=(10, row))
        assert app.state.selected["agents"] == "scout"
        await pilot.click(offset=(10, row), times=2)
        await shown(pilot, "peek at scout")


async def test_completion_and_a_verb_whose_output_is_shown(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    class Run:
        def __init__(self, action: Any, path: Path) -> None:
            ran.append(action.words)

        def output(self) -> tuple[str, ...]:
            return ("alice \x1b[2J runs",)

    monkeypatch.setattr("hive.top.acting.VerbRun", Run)
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press("colon", "s", "tab", "a", "l", "tab")
        await until(pilot, lambda: app.state.prompt and app.state.prompt.text == "status alice ")
        await pilot.press("enter")
        await shown(pilot, "alice \\x1b[2J runs")
    assert ran == [("status", "alice")]


@pytest.mark.parametrize("words", ["status", "send alice x\0y"])
async def test_a_verb_that_cannot_be_run_is_said(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    if words == "status":
        monkeypatch.setattr("sys.executable", "/nowhere/python")  # the package was replaced
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press("colon")
        app.post_message(Paste(words))
        await until(pilot, lambda: app.state.prompt and app.state.prompt.text == words)
        await pilot.press("enter")
        await shown(pilot, f"hive-c0re {words.split(maxsplit=1)[0]}: it cannot be run: ")
        assert not app.state.doing


async def test_all_unread_mail_is_shown_and_then_marked_as_read(host: FakeHost) -> None:
    unread = [
        {
            "id": number,
            "from": "alice",
            "to": "operator",
            "state": "stored",
            "body": "line\n" * 3000,
        }
        for number in (7, 8, 9)
    ]
    host.answers |= {"inbox": {"messages": unread}, "read_mail": {"count": 3}}
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press("2", "R")
        await shown(pilot, "marked 3 messages as read")
        for number in (7, 8, 9):
            assert f"#{number}  alice" in "\n".join(app.state.panes[-1].lines)
        assert len(app.state.panes[-1].lines) > 9000
    assert host.asked("read_mail") == [{"cmd": "read_mail", "ids": [7, 8, 9]}]
    assert not [request for request in host.asked("inbox") if request.get("ack")]


async def test_mail_that_could_not_be_shown_is_not_marked_as_read(host: FakeHost) -> None:
    broken = {"id": 7, "from": "alice", "to": "operator", "state": "stored"}
    host.answers |= {"inbox": {"messages": [broken]}, "read_mail": {"count": 1}}
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press("2", "R")
        await shown(pilot, "this cannot be shown: ")
        assert not app.state.doing
    assert not host.asked("read_mail")


async def test_without_unread_mail_nothing_is_opened(host: FakeHost) -> None:
    host.answers |= {"inbox": {"messages": []}}
    async with running(host.path) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press("2", "R")
        await shown(pilot, "no unread mail")
        assert not app.state.panes


@pytest.mark.parametrize(
    ("key", "of_serve", "status"), [("q", False, 0), ("ctrl+c", True, INTERRUPTED), ("q", True, 0)]
)
async def test_how_it_ends(host: FakeHost, key: str, of_serve: bool, status: int) -> None:
    async with running(host.path, of_serve=of_serve) as (app, pilot):
        await shown(pilot, "coder")
        await pilot.press(key)
        await pilot.pause()
    assert app.return_value == status


async def test_only_lines_that_differ_are_painted(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(host.path) as (_, pilot):
        await shown(pilot, "coder")
        painted: list[int] = []
        monkeypatch.setattr(Painter, "refresh", lambda self, *regions: painted.append(len(regions)))
        await pilot.press("down")
        await pilot.pause()
    assert painted
    assert max(painted) <= 4, "two rows, and the keys"
