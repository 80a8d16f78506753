"""Lists of host.sock by `before`: the page before, of each verb that has it."""

from __future__ import annotations

import pytest

from tests.support.hives import Line

pytestmark = pytest.mark.sim


async def test_the_audit_is_read_backwards(host: Line) -> None:
    for number in (1, 2, 3):
        await host.refused("deny", id=number)
    entries = (await host.ok("audit"))["entries"]
    newest = (await host.ok("audit", max=1))["entries"]
    before = (await host.ok("audit", max=2, before=newest[0]["seq"]))["entries"]
    assert [*before, *newest] == entries
    assert (await host.ok("audit", before=entries[0]["seq"]))["entries"] == []


async def test_events_of_one_participant_are_read_backwards(host: Line) -> None:
    for paused in (True, False, True):
        await host.ok("set_paused", name="alice", paused=paused)
    only = {"name": "alice", "kinds": ["paused", "resumed"]}
    rows = (await host.ok("events", **only))["events"]
    assert len(rows) == 3
    before = (await host.ok("events", **only, max=1, before=rows[2]["seq"]))["events"]
    assert before == rows[1:2]


async def test_mail_and_dead_letters_are_read_backwards(host: Line, bob: Line) -> None:
    numbers = [(await host.ok("send", to="bob", body=f"job {n}"))["id"] for n in range(4)]
    found = (await host.ok("search", inbox="bob", max=2, before=numbers[3]))["messages"]
    assert [row["id"] for row in found] == numbers[1:3]
    for each in (await bob.ok("recv", max=10))["messages"]:
        await bob.ok("nack", id=each["id"], mode="reject")
    found = (await host.ok("dead_letters", inbox="bob", max=2, before=numbers[3]))["messages"]
    assert [row["id"] for row in found] == numbers[1:3]


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("audit", {"name": "nobody"}),
        ("deploys", {"name": "nobody"}),
        ("history", {"name": "nobody"}),
        ("dead_letters", {"inbox": "nobody"}),
        ("search", {"inbox": "nobody"}),
    ],
)
async def test_a_page_before_the_first_row_is_empty_and_no_unknown_name(
    host: Line, verb: str, fields: dict[str, str]
) -> None:
    assert (await host.refused(verb, **fields))[0] == "unknown_name"
    found = await host.ok(verb, **fields, before=1)
    assert [] in found.values()


@pytest.mark.parametrize(
    ("verb", "fields", "why"),
    [
        ("pending", {}, "'before' needs 'max'"),
        ("events", {"follow": True}, "'before' is of the past"),
        ("audit", {"before": 0}, "at least 1"),
        ("deploys", {"before": "x"}, "whole number"),
    ],
)
async def test_a_before_without_a_meaning_is_refused(
    host: Line, verb: str, fields: dict[str, object], why: str
) -> None:
    code, error = await host.refused(verb, **{"before": 5, **fields})
    assert code == "bad_request"
    assert why in error
