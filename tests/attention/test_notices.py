"""When the programs of `[notices]` run, in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import attrs
import pytest

from actors import ActorSystem
from actors.testing import advance, settle
from hive.attention.attention_list import AttentionListing
from hive.attention.notice_rules import REST_SECONDS, RETRY_SECONDS, NoticeBatch, NoticeClass
from hive.attention.notices_actor import SETTLE_SECONDS, NoticesActor, NoticeServices, minute_of_day
from hive.clock import LoopClock
from hive.config import NoticesConfig
from hive.config.model import QuietHours
from hive.store import InlineEngine, Store
from hive.store.attention_marks import notified
from hive.wire.attention import AttentionKind, AttentionRow
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord

pytestmark = pytest.mark.sim

PROGRAMS = NoticesConfig(needs_you=("need",), done=("done",), failed=("fail",))


class Hive:
    """All that the notices are about, as the test says it is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.config = PROGRAMS
        self.rows: list[AttentionRow] = []
        self.wake: float | None = None
        self.unread: dict[str, int] = {}
        self.minute = 0
        self.ran: list[tuple[str, list[str]]] = []
        self.ok = True
        self.gate: asyncio.Event | None = None
        self.looks = 0
        self._on_turn: Callable[[str, TurnRecord], object] | None = None
        self.clock = LoopClock(asyncio.get_running_loop())
        self.mail = Mail(self)
        self.services = NoticeServices(
            sources=self,  # type: ignore[arg-type]
            attention=self,  # type: ignore[arg-type]
            harnesses=self,  # type: ignore[arg-type]
            commands=self,  # type: ignore[arg-type]
            config=lambda: self.config,
            minute_of_day=lambda now: self.minute,
        )

    # As the list, the mail, the harnesses, the programs

    async def listed(self) -> AttentionListing:
        self.looks += 1
        return AttentionListing(self.rows)

    def occurrence(self, row: AttentionRow) -> str:
        return row.since or ""

    def next_wake(self) -> float | None:
        return self.wake

    def on_turn(self, listener: Callable[[str, TurnRecord], object]) -> Callable[[], None]:
        self._on_turn = listener
        return lambda: None

    async def run(self, argv: Sequence[str], batch: NoticeBatch, timeout: float) -> bool:
        self.ran.append((argv[0], [fact["id"] for fact in batch.facts]))
        if self.gate is not None:
            await self.gate.wait()
        return self.ok

    # For tests

    async def commit(self) -> None:
        await self.store.append_event("x")

    async def end_turn(self, name: str, outcome: TurnOutcome = TurnOutcome.DONE) -> None:
        assert self._on_turn is not None
        self._on_turn(name, TurnRecord(started_at=0, ended_at=1, wake="mail", outcome=outcome))

    async def look(self) -> list[tuple[str, list[str]]]:
        """Let a commit be looked at; return what ran since the last call."""
        await self.commit()
        await advance(SETTLE_SECONDS + REST_SECONDS + 0.1)
        await settle()
        ran, self.ran = self.ran, []
        return ran


class Mail:
    def __init__(self, hive: Hive) -> None:
        self._hive = hive

    def unread(self, name: str) -> int:
        return self._hive.unread.get(name, 0)


def item(key: str, kind: AttentionKind = AttentionKind.MAIL, **fields: object) -> AttentionRow:
    return AttentionRow(id=key, kind=kind, text=key, **{"since": "t1", **fields})  # type: ignore[arg-type]


async def started(system: ActorSystem, hive: Hive) -> None:
    actor = system.spawn(lambda: NoticesActor(hive.services), name="notices")
    await system.wait_started(actor)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "s.sqlite", InlineEngine()) as opened:
        yield opened


@pytest.fixture
async def hive(store: Store) -> AsyncIterator[Hive]:
    made = Hive(store)
    async with ActorSystem() as system:
        await started(system, made)
        yield made


async def test_each_item_is_notified_once_and_what_comes_together_is_sent_together(
    hive: Hive,
) -> None:
    hive.rows = [item("mail-1"), item("mail-2"), item("failed-a", AttentionKind.FAILURE)]
    assert sorted(await hive.look()) == [
        ("fail", ["failed-a"]),
        ("need", ["mail-1", "mail-2"]),
    ]
    assert await hive.look() == []
    hive.rows.append(item("mail-3"))
    assert await hive.look() == [("need", ["mail-3"])]
    hive.rows = [item("failed-a", AttentionKind.FAILURE, since="t2")]
    assert await hive.look() == [("fail", ["failed-a"])]
    assert await hive.store.read(notified) == {"failed-a": "t2"}


async def test_after_a_restart_nothing_is_notified_again(store: Store) -> None:
    for expected in ([("need", ["mail-1"])], []):
        hive = Hive(store)
        hive.rows = [item("mail-1")]
        async with ActorSystem() as system:
            await started(system, hive)
            assert await hive.look() == expected


async def test_what_a_killed_daemon_had_not_sent_is_sent_by_the_next(store: Store) -> None:
    hive = Hive(store)
    hive.rows, hive.gate = [item("mail-1")], asyncio.Event()
    async with ActorSystem() as system:
        await started(system, hive)
        assert await hive.look() == [("need", ["mail-1"])]
    again = Hive(store)
    again.rows = hive.rows
    async with ActorSystem() as system:
        await started(system, again)
        assert await again.look() == [("need", ["mail-1"])]


async def test_a_class_has_one_program_at_a_time_and_others_do_not_wait(hive: Hive) -> None:
    hive.gate, hive.rows = asyncio.Event(), [item("mail-1")]
    assert await hive.look() == [("need", ["mail-1"])]
    hive.rows += [item("mail-2"), item("failed-a", AttentionKind.FAILURE)]
    assert await hive.look() == [("fail", ["failed-a"])]
    hive.gate.set()
    assert await hive.look() == [("need", ["mail-2"])]


async def test_a_flood_is_a_few_notices(hive: Hive) -> None:
    for number in range(60):
        hive.rows.append(item(f"mail-{number}"))
        await hive.commit()
        await advance(1.0)
    assert len(hive.ran) <= 60 / REST_SECONDS + 1
    await hive.look()
    assert hive.ran == []


async def test_a_failure_is_tried_again_later_with_all_that_waits(hive: Hive) -> None:
    hive.ok, hive.rows = False, [item("mail-1")]
    assert await hive.look() == [("need", ["mail-1"])]
    hive.rows.append(item("mail-2"))
    assert await hive.look() == []
    hive.ok = True
    await advance(RETRY_SECONDS)
    assert hive.ran == [("need", ["mail-1", "mail-2"])]
    hive.ran.clear()
    assert await hive.look() == []


async def test_in_quiet_hours_nothing_runs_and_afterwards_one_summary(hive: Hive) -> None:
    hive.config = attrs.evolve(PROGRAMS, quiet=QuietHours(22 * 60, 7 * 60))
    hive.minute = 23 * 60
    hive.rows = [item("mail-1"), item("failed-a", AttentionKind.FAILURE)]
    await hive.end_turn("alice")
    assert await hive.look() == []
    hive.rows.append(item("mail-2"))
    assert await hive.look() == []
    hive.minute = 7 * 60
    await advance(61)  # without any commit
    assert sorted(hive.ran) == [("fail", ["failed-a"]), ("need", ["mail-1", "mail-2"])]


async def test_a_snooze_that_ends_is_noticed_without_a_commit(hive: Hive) -> None:
    hive.rows = [item("mail-1", snoozed_until="later")]
    hive.wake = hive.clock.now() + 30
    assert await hive.look() == []
    hive.rows, looks = [item("mail-1", since="t1 woken")], hive.looks
    await advance(30)
    assert hive.ran == [("need", ["mail-1"])]
    assert hive.looks > looks


async def test_an_agent_is_done_when_its_turn_has_ended_and_nothing_is_left(hive: Hive) -> None:
    hive.unread = {"bob": 1}
    for name in ("alice", "bob"):
        await hive.end_turn(name)
    await hive.end_turn("eve", TurnOutcome.FAILED)
    assert await hive.look() == [("done", ["done-alice"])]
    assert await hive.look() == []


async def test_without_programs_nothing_is_looked_at_and_a_reload_changes_that(
    hive: Hive,
) -> None:
    hive.config, hive.rows = NoticesConfig(), [item("mail-1")]
    await hive.look()
    looks = hive.looks
    await hive.end_turn("alice")
    assert (await hive.look(), hive.looks) == ([], looks)
    hive.config = NoticesConfig(needs_you=("new",))
    assert await hive.look() == [("new", ["mail-1"])]


async def test_many_commits_are_one_look(hive: Hive) -> None:
    await hive.look()
    looks = hive.looks
    for _ in range(500):
        await hive.commit()
    await advance(SETTLE_SECONDS)
    await settle()
    assert hive.looks == looks + 1


def test_the_minute_of_the_day_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert minute_of_day(0.0) == 9 * 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_every_class_has_a_program_in_the_configuration() -> None:
    assert [getattr(PROGRAMS, each) is not None for each in NoticeClass] == [True] * 3
