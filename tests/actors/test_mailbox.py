"""Bounded mailboxes: what a full one does, and that nothing is dropped in silence."""

import asyncio
from typing import Any

import pytest
from attrs import evolve

from actors import (
    Actor,
    ActorSystem,
    ChildSpec,
    DropReason,
    Mailbox,
    MailboxFull,
    MessageDropped,
    Overflow,
    Ref,
    Shutdown,
    SupervisorSpec,
)
from actors.testing import Probe, settle

pytestmark = pytest.mark.sim


class Tray(Actor[Any]):
    """Collects what it is told."""

    def __init__(self, tray: list[Any]) -> None:
        self.tray = tray

    async def receive(self, message: Any) -> None:
        await asyncio.sleep(1)
        self.tray.append(message)


def busy_tray(system: ActorSystem, tray: list[Any], mailbox: Mailbox) -> Ref[Any]:
    return system.spawn(lambda: Tray(tray), mailbox=mailbox)


async def test_reject_raises_in_the_sender(system: ActorSystem, probe: Probe) -> None:
    tray: list[Any] = []
    ref = busy_tray(system, tray, Mailbox(2))
    ref.tell(1)
    ref.tell(2)
    with pytest.raises(MailboxFull, match="waiting messages: 2"):
        ref.tell(3)
    assert not ref.try_tell(4)
    with pytest.raises(MailboxFull):
        await ref.put(5)
    await asyncio.sleep(10)
    assert tray == [1, 2]
    event = await probe.expect_event(MessageDropped)
    assert event == MessageDropped(ref, 3, DropReason.MAILBOX_FULL)
    assert system.counters.dropped_messages == 3


async def test_try_tell_says_whether_there_was_room(system: ActorSystem) -> None:
    ref = busy_tray(system, [], Mailbox(2))
    assert [ref.try_tell(number) for number in range(3)] == [True, True, False]


async def test_drop_oldest_keeps_the_newest(system: ActorSystem, probe: Probe) -> None:
    tray: list[Any] = []
    ref = busy_tray(system, tray, Mailbox(2, Overflow.DROP_OLDEST))
    for number in range(5):
        ref.tell(number)
    await asyncio.sleep(10)
    assert tray == [3, 4]
    dropped = [await probe.expect_event(MessageDropped) for _ in range(3)]
    assert [event.message for event in dropped] == [0, 1, 2]
    assert {event.reason for event in dropped} == {DropReason.OLDEST}


async def test_block_makes_senders_wait_in_order(system: ActorSystem) -> None:
    tray: list[Any] = []
    ref = busy_tray(system, tray, Mailbox(1, Overflow.BLOCK))
    tasks = []
    for number in range(6):
        tasks.append(asyncio.create_task(ref.put(number)))
        await asyncio.sleep(0)
    with pytest.raises(MailboxFull):
        ref.tell("pushy")
    await asyncio.gather(*tasks)
    await asyncio.sleep(10)
    assert tray == [0, 1, 2, 3, 4, 5]


async def test_a_putter_that_gives_up_sends_nothing(system: ActorSystem) -> None:
    tray: list[Any] = []
    ref = busy_tray(system, tray, Mailbox(1, Overflow.BLOCK))
    await ref.put("first")
    await asyncio.sleep(0.5)
    await ref.put("second")
    waiting = asyncio.create_task(ref.put("never"))
    last = asyncio.create_task(ref.put("last"))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await last
    await asyncio.sleep(10)
    assert tray == ["first", "second", "last"]


async def test_death_lets_putters_go(system: ActorSystem) -> None:
    ref = busy_tray(system, [], Mailbox(1, Overflow.BLOCK))
    await ref.put("first")
    await asyncio.sleep(0.5)
    await ref.put("second")
    waiting = asyncio.create_task(ref.put("third"))
    await asyncio.sleep(0.1)
    assert await system.stop(ref) == Shutdown()
    await waiting
    assert [letter.message for letter in system.dead_letters.recent] == ["second", "third"]


async def test_the_default_bound_holds(system: ActorSystem) -> None:
    ref = busy_tray(system, [], Mailbox())
    system.suspend(ref)
    taken = sum(ref.try_tell(number) for number in range(10_001))
    assert taken == 10_000


async def test_no_bound_means_no_bound(system: ActorSystem) -> None:
    ref = busy_tray(system, [], Mailbox(None))
    system.suspend(ref)
    assert all(ref.try_tell(number) for number in range(20_000))


async def test_runtime_messages_are_not_counted(system: ActorSystem) -> None:
    heard: list[str] = []

    class Watcher(Actor[Any]):
        def on_start(self) -> None:
            self.context.start_timer(1, "tick")

        def receive(self, message: Any) -> None:
            heard.append(message)

    ref = system.spawn(Watcher, mailbox=Mailbox(1))
    system.suspend(ref)
    ref.tell("full")
    await asyncio.sleep(2)
    assert heard == ["tick"]


@pytest.mark.parametrize(("capacity", "is_full"), [(10, False), (1, True)])
async def test_senders_that_wait_are_not_forgotten_when_the_policy_changes(
    system: ActorSystem, capacity: int, is_full: bool
) -> None:
    tray: list[Any] = []
    supervisor = await system.start_supervisor(SupervisorSpec())
    spec = ChildSpec("tray", lambda: Tray(tray), mailbox=Mailbox(1, Overflow.BLOCK))
    ref = await supervisor.start_child(spec)
    ref.tell(1)
    await settle()
    ref.tell(2)
    waiting = asyncio.ensure_future(ref.put(3))
    await settle()
    await supervisor.replace_child(evolve(spec, mailbox=Mailbox(capacity)))
    if is_full:
        with pytest.raises(MailboxFull):
            await waiting
    else:
        await waiting
    await asyncio.sleep(10)
    assert tray == ([1, 2] if is_full else [1, 2, 3])
