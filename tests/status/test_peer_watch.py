"""Peers are observed through systemd, and only observed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import attrs
import pytest

from actors.testing import settle
from hive.clock import LoopClock
from hive.config import HiveConfig, PeerConfig
from hive.errors import FailedError
from hive.event_log import EventLog
from hive.machines.observer import ObservedState, Observer, OnChange, units_of
from hive.participants.participant import Peer, new_peer
from hive.participants.registry import Registry
from hive.status.peer_watch import REFRESH_INTERVAL, PeerWatch
from hive.store import InlineEngine, Store
from tests.support.hives import Site

pytestmark = pytest.mark.sim

UNIT = "container@damocles.service"


@attrs.define
class ScriptedObserver:
    """An observer whose state a test sets."""

    state: ObservedState | None = attrs.field(
        factory=lambda: ObservedState(UNIT, "active (running)", 5.0, 0)
    )
    looks: list[str] = attrs.field(factory=list)
    bug: Exception | None = None
    hint: OnChange = lambda name: None

    async def state_of(self, subject: str) -> ObservedState:
        self.looks.append(subject)
        if self.bug is not None:
            raise self.bug
        if self.state is None:
            raise FailedError("systemd does not answer")
        return self.state

    async def listen(self, hint: OnChange) -> None:
        self.hint = hint
        await asyncio.get_running_loop().create_future()


@pytest.fixture
async def registry(site: Site) -> AsyncIterator[Registry]:
    site.state_dir.mkdir()
    clock = LoopClock(asyncio.get_running_loop())
    async with Store(site.state_dir / "s.sqlite", InlineEngine()) as store:
        yield Registry(store, clock, EventLog(store, clock))


@pytest.fixture
async def observer() -> ScriptedObserver:
    return ScriptedObserver()


@pytest.fixture
async def peer_watch(registry: Registry, observer: ScriptedObserver) -> AsyncIterator[PeerWatch]:
    made = PeerWatch(registry, lambda: observer)
    made.open()
    yield made
    await made.close()


def joined(registry: Registry, observe: str | None = UNIT) -> Peer:
    participant = registry.join(new_peer("damocles", 1.0, observe=observe))
    assert isinstance(participant, Peer)
    return participant


async def test_without_an_observed_peer_no_observer_is_made(registry: Registry) -> None:
    def never() -> Observer:
        raise AssertionError("nothing of systemd is needed")

    peer_watch = PeerWatch(registry, never)
    peer_watch.open()
    joined(registry, None)
    await settle()
    await peer_watch.close()


async def test_a_signal_refreshes_the_state(
    registry: Registry, observer: ScriptedObserver, peer_watch: PeerWatch
) -> None:
    peer = joined(registry)
    await settle()
    assert (str(peer.observed_state), observer.looks) == (f"{UNIT} is active (running)", [UNIT])
    observer.state = ObservedState(UNIT, "failed (failed)", 9.0, 1)
    observer.hint("another.service")
    await settle()
    assert len(observer.looks) == 1
    observer.hint(UNIT)
    await settle()
    assert peer.observed_state == observer.state


async def test_without_a_signal_the_state_is_polled(
    registry: Registry, observer: ScriptedObserver, peer_watch: PeerWatch
) -> None:
    joined(registry)
    await asyncio.sleep(3.5 * REFRESH_INTERVAL)
    assert len(observer.looks) == 4


async def test_a_state_that_cannot_be_read_is_unknown(
    registry: Registry,
    observer: ScriptedObserver,
    peer_watch: PeerWatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = joined(registry)
    await settle()
    known, observer.state = observer.state, None
    observer.hint("")
    await settle()
    assert peer.observed_state is None
    await asyncio.sleep(3.5 * REFRESH_INTERVAL)
    assert caplog.messages == ["damocles cannot be observed: systemd does not answer"], "once"
    observer.state = known
    await asyncio.sleep(REFRESH_INTERVAL)
    observer.state = None
    await asyncio.sleep(REFRESH_INTERVAL)
    assert len(caplog.messages) == 2, "and again after it was known"


async def test_a_bug_while_a_state_is_read_ends_no_watch(
    registry: Registry,
    observer: ScriptedObserver,
    peer_watch: PeerWatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = joined(registry)
    observer.bug = ValueError("odd")
    await asyncio.sleep(1.5 * REFRESH_INTERVAL)
    assert peer.observed_state is None
    assert peer.observe_error == "a bug in hive-c0re: ValueError('odd'); its log has more"
    assert caplog.messages == ["damocles cannot be observed"], "once"
    observer.bug = None
    observer.hint("")
    await settle()
    assert peer.observed_state == observer.state


@pytest.mark.parametrize(
    ("subject", "units"),
    [
        (UNIT, (UNIT,)),
        ("damocles", (UNIT, "systemd-nspawn@damocles.service")),
    ],
)
def test_a_machine_is_one_of_two_services(subject: str, units: tuple[str, ...]) -> None:
    assert units_of(subject) == units


def test_an_observer_has_no_method_that_acts() -> None:
    from hive.machines.systemd.observer import SystemdObserver

    for kind in (Observer, SystemdObserver):
        methods = {name for name in vars(kind) if not name.startswith("_")}
        assert methods - {"clock", "run"} == {"state_of", "listen"}


async def test_the_status_row_of_a_peer_has_its_observed_state(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer = ScriptedObserver()
    given: Callable[..., object] = lambda clock: lambda: observer  # noqa: E731
    monkeypatch.setattr("hive.daemon.wiring.observer_of", given)
    config = HiveConfig(peers={"damocles": PeerConfig(observe=UNIT)})
    async with site.simulated(config=config) as hive:
        await settle()
        row = await hive.status("damocles")
        assert (row.observed, row.source, row.restarts) == (str(observer.state), "systemd", 0)
        assert (row.state, row.running) == ("away", True), "its presence comes from its socket"
        known, observer.state = observer.state, None
        observer.hint("")
        await settle()
        row = await hive.status("damocles")
        assert (row.observed, row.source) == (f"the state of {UNIT} is unknown", "socket")
        observer.state = known
        observer.hint("")
        await hive.parts.lifecycle.register_peer("damocles", description="my day job")
        await settle()
        assert (await hive.status("damocles")).source == "systemd", "what is not given stays"
        await hive.parts.lifecycle.register_peer("damocles", observe="")
        await settle()
        row = await hive.status("damocles")
        assert (row.observed, row.source) == (None, "socket")


@pytest.mark.parametrize("manifest", ["{", "[]", '"text"', '{"observe": 7}', "", None])
async def test_a_damaged_record_of_a_peer_is_not_observed(manifest: str | None) -> None:
    record = attrs.evolve(new_peer("damocles", 1.0), manifest=manifest)
    assert Peer(record).observe is None
