"""The sentences of the daemon name the verbs of the command line."""

from __future__ import annotations

import pytest

from hive.harness.cli.oneshot import AGENT_VERBS, MANAGER_VERBS
from hive.harness.cli.verb_words import VERBS, with_verbs
from hive.wire.agent import AgentRequest, ManagerRequest

REQUESTS = {
    kind.__struct_config__.tag
    for union in (AgentRequest, ManagerRequest)
    for kind in union.__args__
}


def test_the_table_has_every_verb_whose_request_has_another_name() -> None:
    verbs = {verb.name for verb in (*AGENT_VERBS, *MANAGER_VERBS)}
    assert set(VERBS.values()) == {name for name in verbs if name not in REQUESTS}
    assert VERBS.keys() <= REQUESTS


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        (
            "there is no question 9; 'loose_ends' shows",
            "there is no question 9; 'loose-ends' shows",
        ),
        ("'request_spawn' or 'get_logs'", "'request-spawn' or 'logs'"),
        ("loose_ends of a name", "loose_ends of a name"),
        ("'ack' it", "'ack' it"),
    ],
)
def test_only_quoted_names_of_requests_are_replaced(sentence: str, shown: str) -> None:
    assert with_verbs(sentence) == shown
