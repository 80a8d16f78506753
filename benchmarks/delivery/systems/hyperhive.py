"""Ourselves: the real `hive-c0re serve`, one peer for each end of each lane."""

from __future__ import annotations

from pathlib import Path

from benchmarks.delivery.process import Served, Server
from benchmarks.delivery.systems.base import Lane, find_program, without_program
from benchmarks.delivery.systems.lines import LineReceiver, sender_to
from benchmarks.delivery.systems.wire import WireLane, connected
from hive.paths import Paths

PROGRAM = "hive-c0re"

_LIMITS = """[limits]
inbox_messages = 1_000_000
inbox_bytes = 1_000_000_000
sender_messages = 1_000_000
sender_bytes = 1_000_000_000
rate = 1_000_000_000
pair_rate = 1_000_000_000
"""
"""Delivery is measured, so the limits of inboxes and rates are raised."""


class Hyperhive(Served):
    """The daemon with its full feature set; of its configuration only an inbox's size differs."""

    name = "hyperhive"

    def __init__(self) -> None:
        self._paths: Paths | None = None

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here."""
        return without_program(PROGRAM, "this project")

    async def start(self, directory: Path, lanes: int) -> None:
        """Start the daemon; a database that is in `directory` already is used."""
        program = find_program(PROGRAM)
        assert program is not None
        self._paths = paths_in(directory)
        config = directory / "hive.toml"
        names = [name for lane in range(lanes) for name in (_sender(lane), _receiver(lane))]
        config.write_text(_LIMITS + "".join(f"[peers.{name}]\n" for name in names))
        environ = {
            "HYPERHIVE_RUN_DIR": str(self._paths.run_dir),
            "HYPERHIVE_STATE_DIR": str(self._paths.state_dir),
        }
        self._server = Server([program, "serve", "--config", config], directory, environ)
        sockets = [self.socket(name) for name in names]
        await self._server.until(lambda: all(path.exists() for path in sockets))

    def socket(self, name: str) -> Path:
        """Return the path of a participant's socket."""
        assert self._paths is not None
        return self._paths.agent_socket(name)

    async def connect(self, count: int) -> list[Lane]:
        """Open the first `count` lanes."""
        return [await self._lane(number) for number in range(count)]

    async def _lane(self, number: int) -> WireLane:
        receiver = _receiver(number)
        return WireLane(
            await connected(sender_to(receiver), self.socket(_sender(number))),
            await connected(LineReceiver(), self.socket(receiver)),
        )


def paths_in(directory: Path) -> Paths:
    """Return the paths of a hive in `directory`."""
    return Paths(run_dir=directory / "run", state_dir=directory / "state")


def _sender(lane: int) -> str:
    return f"s{lane}"


def _receiver(lane: int) -> str:
    return f"r{lane}"
