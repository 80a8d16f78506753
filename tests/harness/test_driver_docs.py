"""The example drivers in docs/harness.md work unchanged."""

import re
from pathlib import Path
from typing import Any

import pytest

from hive.client.agent import Delivery, Identity
from hive.clock import SystemClock
from hive.harness.driver import Done, DriverSetup, Failed, Surroundings, TurnDriver
from hive.harness.leases import Leases
from hive.harness.reporting import Reporter
from hive.harness.turn import Turn
from hive.wire.enums import TurnOutcome

PAGE = Path(__file__).parents[2] / "docs" / "harness.md"
MAIL = Delivery(7, "bob", "one", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent")


def example(defines: str) -> dict[str, Any]:
    section = PAGE.read_text().split("\n## Other drivers\n")[1]
    [code] = [
        each
        for each in re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        if f"class {defines}" in each
    ]
    names: dict[str, Any] = {}
    exec(code, names)
    return names


class Client:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, to: str, body: str) -> None:
        self.sent.append((to, body))


async def test_the_example_of_a_message_driver_works(tmp_path):
    driver = example("Shout")["create"](DriverSetup((), 1.0, tmp_path))
    assert await driver.handle(MAIL) == Done("ONE")
    assert isinstance(await driver.handle(Delivery(8, "b", "", "", 1, False, "l", "agent")), Failed)


async def test_the_example_of_a_turn_driver_works():
    client: Any = Client()
    driver = example("Digest")["Digest"]()
    assert isinstance(driver, TurnDriver)
    reporter = Reporter(client, SystemClock())
    await driver.open(Surroundings(client, Identity("alice", "agent"), reporter))
    turn = Turn(Leases(client))
    turn.join([MAIL, Delivery(8, "carol", "two", "", 1, False, "l", "agent")])
    end = await driver.turn(turn)
    assert (end.outcome, end.word) == (Done(), TurnOutcome.DONE)
    assert client.sent == [("operator", "0 urgent: one; two")]
    await driver.interrupt()
    await driver.close()


def test_the_page_names_every_state():
    from hive.wire.enums import ActivityState

    section = PAGE.read_text().split("\n## Claude Code\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(ActivityState)


@pytest.mark.parametrize("tool", ["send", "recv", "reply", "ask", "answer", "remind", "verify"])
def test_the_page_names_the_tools(tool):
    assert re.search(rf"\b{tool}\b", PAGE.read_text())
