"""The output of `systemctl show` about a peer's unit becomes an observed state."""

from collections.abc import Sequence

import pytest

from hive.errors import FailedError
from hive.machines.systemd.observer import SystemdObserver
from hive.subprocesses import Outcome

RUNNING = """Id=systemd-nspawn@damocles.service
LoadState=loaded
ActiveState=active
SubState=running
NRestarts=3
StateChangeTimestampMonotonic=1000000
ControlGroup=/machine.slice/systemd-nspawn@damocles.service
"""
IDLE = """Id=container@damocles.service
LoadState=not-found
ActiveState=inactive
SubState=dead
NRestarts=0
StateChangeTimestampMonotonic=0
"""


def observer(printed: str, status: int = 0) -> tuple[SystemdObserver, list[tuple[str, ...]]]:
    ran: list[tuple[str, ...]] = []

    async def run(argv: Sequence[str], *, deadline: float) -> Outcome:
        ran.append(tuple(argv))
        return Outcome(tuple(argv), status, printed, "", deadline)

    return SystemdObserver(run=run), ran


async def test_of_two_services_the_running_one_is_observed() -> None:
    looking, ran = observer(f"{IDLE}\n{RUNNING}")
    sight = await looking.state_of("damocles")
    assert (sight.unit, sight.state) == ("systemd-nspawn@damocles.service", "active (running)")
    assert (sight.restarts, sight.source) == (3, "systemd")
    assert sight.control_group == "/machine.slice/systemd-nspawn@damocles.service"
    assert sight.since is not None
    assert {argv[:2] for argv in ran} == {("systemctl", "show")}, "nothing else is ever run"


async def test_a_unit_that_systemd_does_not_know_is_shown_as_such() -> None:
    looking, _ = observer(IDLE)
    sight = await looking.state_of("container@damocles.service")
    assert (sight.state, sight.since) == ("not known to systemd", None)
    assert sight.control_group is None


@pytest.mark.parametrize(("printed", "status"), [("", 0), ("garbage", 0), (RUNNING, 1)])
async def test_an_invalid_answer_is_an_error(printed: str, status: int) -> None:
    looking, _ = observer(printed, status)
    with pytest.raises(FailedError):
        await looking.state_of("damocles")
