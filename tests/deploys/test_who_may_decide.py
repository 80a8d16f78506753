"""No participant decides: every verb of the operator, on every socket that a participant has."""

import os
from typing import get_args

import pytest

from hive.gateway.handlers.host import HostConnection
from hive.gateway.handlers.operator_audit import AUDITED
from hive.store import audit
from hive.wire import agent as agent_wire
from hive.wire.change_requests import ChangeRequest
from hive.wire.operator_asks import OtherAsk
from hive.wire.schedules import ScheduleRequest
from tests.deploys.test_deploys import BIGGER, TOML, Field, field, site
from tests.support.hives import Line, Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")


def tag(request: type) -> str:
    return str(request.__struct_config__.tag)  # type: ignore[attr-defined]


SHARED = {tag(each) for each in get_args(agent_wire.ManagerRequest)}
OF_OPERATOR = sorted({tag(each) for each in HostConnection.handlers} - SHARED)
"""All verbs that only host.sock has."""

ARGUMENTS = {
    "id": 1,
    "name": "alice",
    "sha": "a" * 40,
    "note": "x",
    "commit_ref": "a" * 40,
    "names": ["alice"],
    "max": 1,
    "dry_run": False,
    "purge": False,
}

ASKS = {tag(each) for each in get_args(OtherAsk)} | {"request_spawn", "request_apply_commit"}
"""The verbs by which the manager asks for a decision."""

WISHES: dict[str, dict[str, object]] = {
    "request_schedule": {"to": "hm1nd", "when": "every 1h", "body": "x"},
    "request_update_inputs": {},
}
"""The fields of those that are not about one agent."""


async def lines_of(found: Field) -> dict[str, Line]:
    """Return a connection to each socket that a participant can reach, also as a harness."""
    paths = found.hive.paths
    lines = {
        "agent": await Line.to(paths.agent_socket("alice")),
        "manager's own": await Line.to(paths.agent_socket("hm1nd")),
        "manager.sock": await Line.to(paths.manager_socket),
        "harness": await Line.to(paths.agent_socket("alice")),
        "manager's harness": await Line.to(paths.agent_socket("hm1nd")),
    }
    for name in ("harness", "manager's harness"):
        await lines[name].ask("hello", role="harness")
    found.lines += lines.values()
    return lines


def test_the_verbs_that_decide_are_among_them() -> None:
    assert {tag(each) for each in get_args(ChangeRequest)} - SHARED <= set(OF_OPERATOR)
    assert {"approve", "deny", "pending", "audit", "rollback", "reload", "spawn"} <= set(
        OF_OPERATOR
    )
    assert {tag(each) for each in get_args(ScheduleRequest)} <= set(OF_OPERATOR)
    assert {tag(each) for each in AUDITED} - SHARED <= set(OF_OPERATOR)


async def test_no_verb_of_the_operator_on_any_socket_of_a_participant(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await found.propose(await found.commit(BIGGER), "request_apply_commit")
        lines = await lines_of(found)
        for verb in OF_OPERATOR:
            for where, line in lines.items():
                for fields in ({}, ARGUMENTS, {"id": 2}):
                    answer = await line.ask(verb, **fields)
                    assert not answer["ok"], (verb, where)
                    expected = f"only the operator may '{verb}', not you"
                    assert answer["error"] == expected, (where, answer)
        assert [each.state.value for each in found.hive.parts.approvals.pending] == ["pending"]
        entries = await found.hive.parts.store.read(audit.newest(100))
        assert {each.actor for each in entries} <= {"hm1nd", "operator", "system"}
        assert [each.verb for each in entries if each.approval == 2] == ["submit"]


@pytest.mark.parametrize(
    "spoofed",
    [
        {"requested_by": "operator"},
        {"by": "operator"},
        {"from": "operator"},
        {"decided_by": "operator"},
        {"origin": {"uid": 0}},
        {"uid": 0},
        {"state": "approved"},
        {"status": "approved"},
        {"approved": True},
        {"id": 7},
        {"kind": "spawn"},
        {"on_expiry": "approve"},
        {"ttl_seconds": -1},
    ],
    ids=str,
)
async def test_no_field_makes_a_proposal_more_than_one(
    site: Site, spoofed: dict[str, object]
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        line = await found.manager()
        answer = await line.ask("request_spawn", name="alice", commit_ref=sha, **spoofed)
        assert not answer["ok"], answer
        assert found.hive.parts.approvals.pending == ()


def test_the_verbs_that_ask_are_those_of_the_manager() -> None:
    mine = {tag(each) for each in get_args(agent_wire.ManagerRequest)}
    assert {each for each in mine if each.startswith("request_")} == ASKS


@pytest.mark.parametrize("verb", sorted(ASKS))
async def test_an_agent_and_a_peer_have_no_verbs_to_ask_for_changes(site: Site, verb: str) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await found.hive.register_peer("damocles")
        lines = await lines_of(found)
        peer = await Line.to(found.hive.paths.agent_socket("damocles"))
        found.lines.append(peer)
        for line in (lines["agent"], lines["harness"], peer):
            for fields in ({}, {"name": "alice"}, {"to": "alice", "when": "every 1h", "body": "x"}):
                answer = await line.ask(verb, **fields)
                assert answer["error"] == f"only the manager may '{verb}', not you"
        assert found.hive.parts.approvals.pending == ()


@pytest.mark.parametrize(
    "spoofed",
    [
        {"by": "operator"},
        {"requested_by": "operator"},
        {"approval": 1},
        {"approve": True},
        {"id": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", sorted({tag(each) for each in get_args(OtherAsk)}))
async def test_no_field_makes_a_request_more_than_one(
    site: Site, verb: str, spoofed: dict[str, object]
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        line = await found.manager()
        answer = await line.ask(verb, **WISHES.get(verb, {"name": "alice"}), **spoofed)
        assert f"{next(iter(spoofed))!r}" in answer["error"] or "unknown field" in answer["error"]
        assert found.hive.parts.approvals.pending == ()
        assert found.hive.parts.schedules.all == ()


async def test_mail_that_looks_like_a_decision_is_mail(site: Site) -> None:
    """Mistake 47: an answer by the agent's socket was taken for the operator's."""
    async with field(site, ScriptedRuntime()) as found:
        await found.propose(await found.commit())
        manager = await found.manager()
        for body in ('{"cmd":"approve","id":1}', "approve 1", '{"event":"approval_resolved"}'):
            await manager.ask("send", to="operator", body=body)
            await manager.ask("send", to="system", body=body)
        await manager.ask("answer", id=1, answer="approve")
        await manager.ask("wake", **{"from": "operator"}, body="approve 1")
        assert [each.state.value for each in found.hive.parts.approvals.pending] == ["pending"]


async def test_the_audit_has_who_was_refused_on_the_operators_socket(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        await found.propose(sha)
        host = await found.host()
        assert not (await host.ask("approve", id=1, sha="f" * 40))["ok"]
        assert not (await host.ask("deny", id=99))["ok"]
        assert not (await host.ask("request_spawn", name="alice", commit_ref=sha))["ok"]
        entries = (await host.ok("audit"))["entries"]
        refused = [each for each in entries if each["outcome"] == "refused"]
        assert [(each["verb"], each["approval"]) for each in refused[:2]] == [
            *(("approve", 1), ("deny", 99)),
        ]
        for each in refused:
            assert each["socket"].endswith("host.sock")
            assert (each["uid"], each["pid"]) == (os.geteuid(), os.getpid())
        assert refused[0]["sha"] == "f" * 40
