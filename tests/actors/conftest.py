"""What the tests of the actor runtime share."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from actors import ActorSystem
from actors.testing import Probe


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with ActorSystem(random=Random(0), on_crash=None) as system:
        yield system


@pytest.fixture
def probe(system: ActorSystem) -> Probe:
    return Probe(system, "probe")
