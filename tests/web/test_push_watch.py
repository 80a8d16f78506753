"""Devices are notified of what needs the operator, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import time
import zoneinfo
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import define, field

from hive.clock import LoopClock
from hive.errors import FailedError, UnavailableError
from hive.web.login_sessions import SessionBook
from hive.web.push_rules import GAP
from hive.web.push_sending import PushFailedError, SubscriptionGoneError
from hive.web.push_subscriptions import PushBook, PushSubscription, SavedPush
from hive.web.push_watch import EVERY, RETRIES, PushWatch
from tests.support.push_services import PushBrowser
from tests.web.scripted_hive import ScriptedHive

pytestmark = pytest.mark.sim

HOUR = 3600.0
BERLIN = ZoneInfo("Europe/Berlin")
ENDPOINT = "https://push.example.org/"
QUESTION = {"id": "question-1", "kind": "question", "name": "alice", "number": 1, "since": "one"}
APPROVAL = {"id": "approval-2", "kind": "approval", "name": "bob", "number": 2, "since": "two"}


@define
class ScriptedPushes:
    """A push service that does as a test says.

    Attributes:
        errors: What happens at each endpoint; it works otherwise.
        sent: The device and the title of each notification that was tried.
    """

    errors: dict[str, Exception] = field(factory=dict)
    sent: list[tuple[int, str]] = field(factory=list)

    async def send(self, to: PushSubscription, payload: str) -> None:
        self.sent.append((to.id, json.loads(payload)["title"]))
        if to.endpoint in self.errors:
            raise self.errors[to.endpoint]


@define(eq=False)
class Watched:
    """A watch on a hive, and what it does.

    Attributes:
        hive: Answers its requests.
        sessions: The sessions.
        book: The subscriptions.
        pushes: Takes what it sends.
        saves: What was kept at each save.
        clock: Wall time.
    """

    hive: ScriptedHive = field(factory=ScriptedHive)
    sessions: SessionBook = field(factory=lambda: SessionBook(10 * 86_400.0))
    book: PushBook = field(factory=PushBook)
    pushes: ScriptedPushes = field(factory=ScriptedPushes)
    saves: list[SavedPush] = field(factory=list)
    clock: LoopClock = field(factory=lambda: LoopClock(asyncio.get_running_loop()))
    full: bool = False

    def __attrs_post_init__(self) -> None:
        self.book.restore(SavedPush(), "a key")
        self.needs()
        self.quiet_hours(None)

    def needs(self, *items: dict[str, Any]) -> None:
        self.hive.answers["attention"] = {"items": list(items)}

    def quiet_hours(self, hours: str | None) -> None:
        self.hive.answers["web_settings"] = {"web": {"quiet_hours": hours}}

    def device(self, name: str = "1") -> PushSubscription:
        now = self.clock.now()
        cookie = self.sessions.log_in(self.sessions.new_link(now), "Firefox", now)
        session = self.sessions.find(cookie, now)
        assert session is not None
        return PushBrowser().subscribed(self.book, ENDPOINT + name, session, now)

    def watch(self, *zone: ZoneInfo) -> PushWatch:
        async def save() -> None:
            if self.full:
                raise FailedError("the disk is full")
            if self.book.is_changed:
                self.saves.append(self.book.saved())

        return PushWatch(
            self.hive,  # type: ignore[arg-type]
            self.sessions,
            self.book,
            self.pushes,
            save,
            self.clock.now,
            *zone,
        )


@pytest.fixture(name="watched")
async def _watched() -> Watched:
    return Watched()


async def run(watch: PushWatch, seconds: float) -> None:
    """Let a watch run for a time."""
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(seconds)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_all_devices_are_notified_once(watched: Watched) -> None:
    watched.device("1"), watched.device("2")
    watched.needs(QUESTION)
    await run(watched.watch(BERLIN), 300)
    assert sorted(watched.pushes.sent) == [(1, "1 thing needs you"), (2, "1 thing needs you")]
    assert [each.sent is not None for each in watched.book.all()] == [True, True]


async def test_the_daemon_is_not_asked_while_there_is_no_device(watched: Watched) -> None:
    watched.needs(QUESTION)
    await run(watched.watch(BERLIN), 60)
    assert watched.hive.asked == []


async def test_a_daemon_that_goes_away_and_comes_back(watched: Watched) -> None:
    watched.device()
    watched.hive.answers["attention"] = UnavailableError("no daemon")
    watch = watched.watch(BERLIN)
    await run(watch, 60)
    watched.needs(QUESTION)
    await run(watch, 60)
    watched.hive.answers["attention"] = UnavailableError("no daemon")
    await run(watch, 60)
    watched.needs(QUESTION)
    await run(watch, 60)
    assert watched.pushes.sent == [(1, "1 thing needs you")]


async def test_a_new_process_sends_nothing_again(watched: Watched) -> None:
    watched.device()
    watched.needs(QUESTION)
    await run(watched.watch(BERLIN), 60)
    watched.book.restore(watched.saves[-1], "")
    await run(watched.watch(BERLIN), 60)
    watched.needs(QUESTION, APPROVAL)
    await run(watched.watch(BERLIN), 60)
    assert watched.pushes.sent == [(1, "1 thing needs you"), (1, "2 things need you")]


async def test_nothing_is_sent_that_could_be_sent_twice(watched: Watched) -> None:
    watched.device()
    watched.needs(QUESTION)
    watched.full = True
    await run(watched.watch(BERLIN), 60)
    assert watched.pushes.sent == []


async def test_the_first_device_is_not_notified_of_what_is_on_the_screen(
    watched: Watched,
) -> None:
    watched.needs(QUESTION)
    watch = watched.watch(BERLIN)
    await watch.greet(watched.device("1"))
    await run(watch, 60)
    assert watched.pushes.sent == [(1, "This device is notified")]
    watched.needs(QUESTION, APPROVAL)
    await watch.greet(watched.device("2"))
    await run(watch, 60)
    titles = sorted(watched.pushes.sent[1:])
    assert titles == [
        (1, "2 things need you"),
        (2, "2 things need you"),
        (2, "This device is notified"),
    ]


async def test_a_device_ends_with_its_session(watched: Watched) -> None:
    watched.device("1"), watched.device("2")
    watched.sessions.revoke(1)
    watched.needs(QUESTION)
    await run(watched.watch(BERLIN), 60)
    assert watched.pushes.sent == [(2, "1 thing needs you")]
    assert [each.id for each in watched.saves[-1].subscriptions] == [2]


async def test_a_device_that_is_gone_is_removed(watched: Watched) -> None:
    watched.device("1"), watched.device("2")
    watched.pushes.errors[ENDPOINT + "1"] = SubscriptionGoneError()
    watched.needs(QUESTION)
    await run(watched.watch(BERLIN), 60)
    assert [each.id for each in watched.saves[-1].subscriptions] == [2]
    assert len(watched.pushes.sent) == 2


async def test_what_did_not_arrive_is_sent_again_to_that_device_alone(watched: Watched) -> None:
    watched.device("1"), watched.device("2")
    watched.pushes.errors[ENDPOINT + "1"] = PushFailedError("status 503")
    watched.needs(QUESTION)
    watch = watched.watch(BERLIN)
    await run(watch, 2 * EVERY)
    assert watched.book.all()[0].trouble == "status 503"
    del watched.pushes.errors[ENDPOINT + "1"]
    await run(watch, RETRIES[0] + EVERY)
    assert watched.book.all()[0].trouble is None
    await run(watch, 3600)
    assert sorted(watched.pushes.sent) == [(1, "1 thing needs you")] * 2 + [
        (2, "1 thing needs you")
    ]


async def test_it_is_given_up_in_the_end(watched: Watched) -> None:
    watched.device("1")
    watched.pushes.errors[ENDPOINT + "1"] = PushFailedError("status 503")
    watched.needs(QUESTION)
    await run(watched.watch(BERLIN), 86_400)
    assert len(watched.pushes.sent) == 1 + len(RETRIES)
    assert len(watched.book.all()) == 1, "the device stays"


async def test_what_is_settled_is_not_sent_again(watched: Watched) -> None:
    watched.device("1")
    watched.pushes.errors[ENDPOINT + "1"] = PushFailedError("status 503")
    watched.needs(QUESTION)
    watch = watched.watch(BERLIN)
    await run(watch, 2 * EVERY)
    watched.needs()
    await run(watch, 3600)
    assert len(watched.pushes.sent) == 1


async def test_quiet_hours_are_those_of_the_host(watched: Watched) -> None:
    """The clock begins at 23:13 in Berlin, which is 22:13 UTC."""
    watched.device()
    watched.needs(QUESTION)
    watched.quiet_hours("23:00-07:00")
    watch = watched.watch(BERLIN)
    await run(watch, 7.7 * 3600)
    assert watched.pushes.sent == []
    watched.needs(QUESTION, APPROVAL)
    await run(watch, 0.2 * 3600)
    assert watched.pushes.sent == [(1, "2 things need you")]


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is an hour before UTC, without a database of time zones."""
    zoneinfo.reset_tzpath(())
    zoneinfo.ZoneInfo.clear_cache()
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "ABC-1")
        time.tzset()
        yield
    time.tzset()
    zoneinfo.reset_tzpath()


@pytest.mark.usefixtures("bare_machine")
async def test_quiet_hours_need_no_database_of_time_zones(watched: Watched) -> None:
    watched.device()
    watched.needs(QUESTION)
    watched.quiet_hours("23:00-07:00")
    watch = watched.watch()
    await run(watch, 7.7 * 3600)
    assert watched.pushes.sent == []
    await run(watch, 0.2 * 3600)
    assert len(watched.pushes.sent) == 1


async def test_quiet_hours_hold_back_what_is_sent_again(watched: Watched) -> None:
    watched.device()
    watched.pushes.errors[ENDPOINT + "1"] = PushFailedError("status 503")
    watched.needs(QUESTION)
    watch = watched.watch(BERLIN)
    await run(watch, 2 * EVERY)
    watched.quiet_hours("23:00-07:00")
    await run(watch, 3600)
    assert len(watched.pushes.sent) == 1
    watched.quiet_hours(None)
    await run(watch, 2 * EVERY)
    assert len(watched.pushes.sent) == 2


async def test_a_device_says_before_its_session_ends_that_nothing_reaches_it_then(
    watched: Watched,
) -> None:
    watched.sessions = SessionBook(10 * HOUR)  # from 23:13 to 09:13
    watched.device()
    watched.quiet_hours("08:00-08:30")
    watch = watched.watch(BERLIN)
    await run(watch, 9.1 * HOUR)
    assert watched.pushes.sent == [], "it is 08:19, within the last tenth and the quiet hours"
    await run(watch, 0.3 * HOUR)
    watched.book.restore(watched.saves[-1], "")
    await run(watched.watch(BERLIN), HOUR)
    assert watched.pushes.sent == [(1, "Log in again")]
    assert watched.book.all() == ()


async def test_a_storm_of_items_is_a_few_notifications(watched: Watched) -> None:
    watched.device()
    watch = watched.watch(BERLIN)
    for number in range(100):
        items = [{**QUESTION, "id": f"question-{each}"} for each in range(number)]
        watched.needs(*items)
        await run(watch, 3.0)
    assert len(watched.pushes.sent) <= 300 / GAP + 1
