"""The systems that are compared, each in a module of its own behind the interfaces of `base`."""

from __future__ import annotations

from benchmarks.delivery.systems.bare import BareStack
from benchmarks.delivery.systems.base import Broker, Embedded
from benchmarks.delivery.systems.front import Streams
from benchmarks.delivery.systems.hyperhive import Hyperhive
from benchmarks.delivery.systems.libraries import Huey, LiteQueue, PersistQueue
from benchmarks.delivery.systems.nats import Nats
from benchmarks.delivery.systems.redis import Redis

OURS = Hyperhive.name
BARE = BareStack.name
STREAMS = Streams.name


def brokers() -> list[Broker]:
    """Return every server, ours first."""
    redis, nats = (Redis("always"), Redis("everysec")), (Nats("always"), Nats("default"))
    return [Hyperhive(), BareStack(), *redis, *nats]


def embedded() -> list[Embedded]:
    """Return every library."""
    return [PersistQueue(), Huey(), LiteQueue()]


NAMES = (*(each.name for each in brokers()), *(each.name for each in embedded()), STREAMS)
"""Names of the systems in reports and on the command line."""
