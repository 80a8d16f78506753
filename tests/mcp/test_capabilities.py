"""The manager is offered the tools that its hive can carry out on its machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive.client.agent import ManagerClient
from hive.harness.tools import NEEDS, SessionMail, for_kind
from hive.wire.enums import Capability

PROPOSALS = {"request_spawn", "request_apply_commit", "request_init_config"}
INPUTS = {"request_update_inputs"}


@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [
        (None, set()),
        ([], PROPOSALS | INPUTS),
        ([Capability.PROPOSALS.value], INPUTS),
        ([Capability.PROPOSALS.value, Capability.INPUTS.value], set()),
        (["a newer one", Capability.PROPOSALS.value], INPUTS),
    ],
)
def test_a_tool_is_offered_where_the_hive_can_carry_it_out(
    capabilities: list[str] | None, missing: set[str]
) -> None:
    client = ManagerClient(Path("/nonexistent"))
    mail = SessionMail(client)
    everything = {tool.name for tool in for_kind(client, manager=True, mail=mail)}
    assert NEEDS.keys() <= everything
    offered = for_kind(client, manager=True, mail=mail, capabilities=capabilities)
    assert everything - {tool.name for tool in offered} == missing
