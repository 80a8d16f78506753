"""Notifications about unread messages: one per poll interval; the mail stays unread."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from attrs import define, field

from actors.testing import advance
from hive.clock import LoopClock
from hive.harness.notifier import (
    NOTIFY_TIMEOUT,
    POLL_INTERVAL,
    CommandSink,
    TerminalNotice,
    TerminalSink,
    UnreadNotifier,
    send_to_all,
    terminal_sequence,
)
from hive.harness.unread import UnreadMessage
from tests.harness.support.processes import CapturedOutput, gone
from tests.mcp.conftest import Session
from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

HELLO = UnreadMessage(1, "bob", "peer", "hello", 0.0)


@define(eq=False)
class RecordingSink:
    """A sink that records what it was called with, and may fail or hang."""

    notified: list[list[int]] = field(factory=list)
    broken: bool = False
    hangs: bool = False

    async def __call__(self, messages: Sequence[UnreadMessage]) -> None:
        self.notified.append([each.id for each in messages])
        if self.broken:
            raise OSError("no speaker")
        if self.hangs:
            await asyncio.Event().wait()


@define(eq=False)
class Running:
    """A notifier that runs."""

    sink: RecordingSink
    task: asyncio.Task[None]

    async def __aenter__(self) -> RecordingSink:
        return self.sink

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def notifying(session: Session, sink: RecordingSink) -> Running:
    clock = LoopClock(asyncio.get_running_loop())
    return Running(
        sink, asyncio.ensure_future(UnreadNotifier(session.client, sink, clock.now).run())
    )


@pytest.mark.sim
async def test_messages_of_one_poll_interval_are_one_notification(session: Session) -> None:
    async with notifying(session, RecordingSink()) as sink:
        await advance(10)
        assert sink.notified == [], "nothing waits"
        ids = [(await session.bob.send("damocles", "hello")).id for _ in range(3)]
        await advance(POLL_INTERVAL + 0.1)
        assert sink.notified == [ids]
        await advance(1000)
        assert sink.notified == [ids], "no repetition"
        assert await session.client.status() == 3, "nothing is taken"


@pytest.mark.sim
async def test_a_returned_message_causes_another_notification(session: Session) -> None:
    sent = await session.bob.send("damocles", "hello")
    async with notifying(session, RecordingSink()) as sink:
        await advance(1)
        await session("recv")
        await advance(10)
        await session.mail.close()
        await advance(10)
        assert sink.notified == [[sent.id], [sent.id]]


@pytest.mark.sim
async def test_a_reminder_is_notified_about_when_it_is_due(session: Session) -> None:
    number = await session.client.remind("later", delay=500)
    async with notifying(session, RecordingSink()) as sink:
        await advance(490)
        assert sink.notified == []
        await advance(20)
        assert sink.notified == [[number]]


@pytest.mark.sim
@pytest.mark.parametrize(
    "sink", [RecordingSink(broken=True), RecordingSink(hangs=True)], ids=["fails", "hangs"]
)
async def test_after_a_failed_or_hanging_sink_the_next_notification_follows(
    session: Session, sink: RecordingSink
) -> None:
    sink.notified.clear()
    async with notifying(session, sink):
        first = await session.bob.send("damocles", "one")
        await advance(POLL_INTERVAL + 1)
        more = [(await session.bob.send("damocles", "more")).id for _ in range(2)]
        await advance(NOTIFY_TIMEOUT + POLL_INTERVAL)
        assert sink.notified[:2] == [[first.id], more]
        assert await session.client.status() == 3


@pytest.mark.sim
async def test_a_sink_that_fails_does_not_affect_another(session: Session) -> None:
    works, fails = RecordingSink(), RecordingSink(broken=True)
    async with Running(
        works,
        asyncio.ensure_future(UnreadNotifier(session.client, send_to_all([fails, works])).run()),
    ):
        sent = await session.bob.send("damocles", "hello")
        await advance(POLL_INTERVAL + 1)
        assert works.notified == fails.notified == [[sent.id]]


async def test_a_command_gets_the_headline_and_no_bodies(tmp_path: Path) -> None:
    captured = CapturedOutput()
    sink = CommandSink(
        'cat >&2; echo "$HIVE_NEWS_COUNT $HIVE_NEWS" >&2', dict(os.environ), captured
    )
    await sink([HELLO])
    text = "1 message waits in your hive inbox, from bob."
    assert captured.data.decode() == f"{text}\n1 {text}\n"


async def test_a_cancelled_command_leaves_no_process(tmp_path: Path) -> None:
    captured = CapturedOutput()
    sink = CommandSink("echo $$ >&2; sleep 100", dict(os.environ), captured)
    running = asyncio.ensure_future(sink([HELLO]))
    pid = int(await captured.line())
    running.cancel()
    await asyncio.wait([running])
    await gone(pid)


@pytest.mark.parametrize(
    ("notice", "written"),
    [
        (TerminalNotice.BELL, b"\a"),
        (TerminalNotice.OSC9, b"\x1b]9;1 message; really\a"),
        (TerminalNotice.OSC777, b"\x1b]777;notify;hive;1 message, really\a"),
    ],
)
def test_each_kind_of_notice_has_its_control_sequence(
    notice: TerminalNotice, written: bytes
) -> None:
    assert terminal_sequence(notice, "1 message; \x07\x1breally") == written


async def test_a_notice_is_written_to_a_terminal_only(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        await TerminalSink(Path(os.ttyname(theirs)), TerminalNotice.BELL)([HELLO])
        assert os.read(ours, 10) == b"\a"
    finally:
        os.close(ours)
        os.close(theirs)
    file = tmp_path / "file"
    file.write_text("keep me")
    with pytest.raises(OSError, match="is no terminal"):
        await TerminalSink(file, TerminalNotice.BELL)([HELLO])
    assert file.read_text() == "keep me"


# The program


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path)
    made.configure("[peers.damocles]\n")
    made.start()
    yield made
    made.close()


def test_a_peer_is_present_and_notifies_and_its_mail_stays(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    process = subprocess.Popen(
        [
            *(PROGRAMS / "hive-ag3nt", "serve", "--peer"),
            *("--bell", f"echo $HIVE_NEWS_COUNT >> {calls}; sleep 100"),
            *("--bell-tty", str(tmp_path / "gone")),
        ],
        env={**hive.env, "HIVE_SOCKET": str(hive.socket_of("damocles"))},
        stderr=subprocess.DEVNULL,
    )
    try:
        hive.until_state("damocles", "connected")
        hive.ok("send", "damocles", "hello")
        eventually(lambda: calls.exists() and calls.read_text(), what="a notification")
        assert hive.status("damocles")["unread"] == 1
        assert hive.state("damocles") == "connected", (
            "a hanging command does not affect the presence"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "nor does it delay the end"
    finally:
        process.kill()
        process.wait()
    assert hive.status("damocles")["unread"] == 1


def test_the_option_bell_is_refused_without_peer() -> None:
    done = subprocess.run(
        [PROGRAMS / "hive-ag3nt", "serve", "--bell", "true", "--", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 2
    assert "a bell goes with --peer" in done.stderr
