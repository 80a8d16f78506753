"""What `machinectl` containers do in a real systemd host."""

from hive.machines.endings import Exited, Rebooted, Signaled
from hive.machines.systemd.hearing import Signals
from tests.systemd.host.lab import ContainerLab
import time


async def test_what_was_started_is_what_systemd_shows(lab: ContainerLab) -> None:
    t0=time.monotonic()
    ends = await lab.start(lab.spec("waiter"))
    print("started", time.monotonic()-t0)
    await lab.ready()
    print("ready", time.monotonic()-t0)
    assert lab.runtime.hearing == Signals()
    t0=time.monotonic()
    ended = await lab.runtime.stop("waiter", deadline=20)
    print("stopped", time.monotonic()-t0)
    print(ended)
    assert ends.told == [ended]
