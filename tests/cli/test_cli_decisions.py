"""Several approvals on one command line: all are checked before the first is decided."""

from __future__ import annotations

import pytest

from hive.approvals.decisions import AGREED, OPEN
from hive.cli.change_verbs import _DECIDABLE
from hive.errors import ExitStatus, NotFoundError
from hive.store.approvals import ApprovalState
from hive.wire import change_requests as changes


@pytest.mark.parametrize(
    ("verb", "state"), [("approve", "denied"), ("approve", "expired"), ("deny", "done")]
)
def test_an_approval_that_was_decided_otherwise_stops_all(daemon, hive, verb, state):
    daemon.on(changes.ShowApproval, {"approval": {"status": state}})
    ran = hive(verb, "3", "4")
    assert ran.status == ExitStatus.REFUSED
    assert ran.err == f"hive-c0re: nothing was done: approval 3 is {state}\n"
    assert {type(request) for request in daemon.requests} == {changes.ShowApproval}


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_an_approval_that_does_not_exist_stops_all(daemon, hive, verb):
    daemon.on(changes.ShowApproval, NotFoundError("there is no approval 4; waiting: 3"))
    ran = hive(verb, "3", "4")
    assert (ran.status, "there is no approval 4" in ran.err) == (NotFoundError.exit_status, True)
    assert {type(request) for request in daemon.requests} == {changes.ShowApproval}


def test_the_states_are_those_of_the_rules() -> None:
    assert _DECIDABLE["approve"] == {state.value for state in OPEN | AGREED}
    assert _DECIDABLE["deny"] == {state.value for state in OPEN | {ApprovalState.DENIED}}
