"""Each verb of the operator that changes what agents are leaves an entry, also when refused."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from hive.daemon.hive import Hive
from hive.gateway.handlers.host import HostConnection
from hive.gateway.handlers.operator_audit import ACTS, AUDITED, ONLY_LOOK
from hive.store import audit
from hive.store.audit import AuditEntry
from hive.wire import host as wire
from hive.wire.attach import Attach
from hive.wire.base import Request
from hive.wire.change_requests import ChangeRequest
from hive.wire.schedules import ScheduleRequest
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")

CONFIG = swarm("alice", "bob", manager=True, peers=["damocles"])

REFUSED: dict[str, dict[str, Any]] = {
    "spawn": {"name": "alice", "exec": ["agent"]},
    "destroy": {"name": "hm1nd"},
    "rebuild": {"name": "damocles"},
    "register_peer": {"name": "alice"},
    "unregister_peer": {"name": "alice"},
    "reload": {},
    "release": {"name": "hm1nd"},
    "adopt": {"name": "alice"},
    "rename": {"name": "alice", "new": "bob"},
    "approve": {"id": 99, "sha": "f" * 40},
    "deny": {"id": 99},
    "request_spawn": {"name": "carol", "commit_ref": "a" * 40},
    "init_config": {"name": "damocles"},
    "cancel_deploy": {"id": 99},
    "rollback": {"name": "alice"},
    "update_inputs": {},
    "schedule": {"to": "nobody", "when": "every 1h", "body": "x"},
    "cancel_schedule": {"id": 99},
    "open_shell": {"name": "damocles"},
}
"""A request of each verb that is refused."""

DONE: dict[str, dict[str, Any]] = {
    "spawn": {"name": "carol", "exec": ["agent"]},
    "destroy": {"name": "bob"},
    "rebuild": {"name": "alice"},
    "register_peer": {"name": "lab"},
    "unregister_peer": {"name": "damocles"},
    "release": {"name": "alice"},
    "adopt": {"name": "damocles", "manifest": 'exec = ["agent"]\n', "approve": True},
    "rename": {"name": "damocles", "new": "lab"},
    "init_config": {"name": "carol"},
    "open_shell": {"name": "alice"},
    "schedule": {"to": "bob", "when": "every 1h", "body": "x"},
}
"""A request of each verb that succeeds in a hive without any history."""


ACTED: dict[str, dict[str, Any]] = {
    "start": {"scope": {"agent_names": ["alice"]}},
    "stop": {"scope": {"agent_names": ["alice"]}},
    "restart": {"name": "alice"},
    "kill": {"name": "alice"},
    "set_paused": {"name": "alice", "paused": True},
    "estop": {"names": ["alice"]},
    "thaw": {"names": ["alice"]},
    "drain": {"names": ["alice"]},
    "cancel_turn": {"name": "alice"},
    "new_session": {"name": "alice"},
    "choose_model": {"name": "alice", "model": "opus"},
    "clear_limit": {"account": "nobody"},
    "send": {"to": "alice", "body": "hello"},
    "answer": {"id": 99, "answer": "yes"},
    "replay": {"ids": [99]},
    "discard": {"ids": [99]},
    "reset_loop": {"names": ["alice", "bob"]},
    "change_group": {"name": "ops", "add": ["alice"]},
    "remove_queue": {"name": "work"},
    "shutdown": {},
    "mark": {"key": "alice", "pinned": True},
    "read_mail": {"ids": [99]},
}
"""A request of each verb that is recorded only for a connection that acts for a session."""


def tag(request: type[Request]) -> str:
    return str(request.__struct_config__.tag)


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    async with site.real(ScriptedRuntime(), CONFIG) as opened:
        await opened.until_state("alice", "running")
        yield opened


@pytest.fixture
async def host(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


async def entries(hive: Hive) -> list[AuditEntry]:
    return await hive.parts.store.read(audit.newest(100))


def test_every_verb_is_known_here() -> None:
    """A new verb has to be in one of the three tables, and in those of this test."""
    assert AUDITED.keys() | ACTS | ONLY_LOOK | {Attach} == set(get_args(wire.HostRequest))
    assert not AUDITED.keys() & ONLY_LOOK
    assert not ACTS & (ONLY_LOOK | AUDITED.keys())
    assert AUDITED.keys() | ACTS <= HostConnection.handlers.keys()
    assert REFUSED.keys() == {tag(each) for each in AUDITED}
    assert {tag(each) for each in ACTS} == ACTED.keys()
    about = {*get_args(ChangeRequest), *get_args(ScheduleRequest)}
    assert not about & ACTS, "what changes what agents are is in the audit, whoever asks"


@pytest.mark.parametrize("verb", sorted(REFUSED))
async def test_a_refusal_leaves_an_entry_with_its_reason(hive: Hive, host: Line, verb: str) -> None:
    fields = REFUSED[verb]
    if verb == "reload":
        hive.parts.reloader._read = None
    _, error = await host.refused(verb, **fields)
    (entry,) = [each for each in await entries(hive) if not each.done]
    assert (entry.verb, entry.actor, entry.reason) == (verb, "operator", error)
    assert entry.subject == fields.get("name", fields.get("to", ""))
    assert entry.approval == (fields.get("id") if verb in {"approve", "deny"} else None)
    assert entry.sha == fields.get("sha", fields.get("commit_ref"))
    assert entry.origin.socket.endswith("host.sock")
    assert (entry.origin.uid, entry.origin.pid) == (os.geteuid(), os.getpid())


@pytest.mark.parametrize("verb", sorted(DONE))
async def test_a_success_leaves_an_entry(hive: Hive, host: Line, verb: str) -> None:
    await host.ok(verb, **DONE[verb])
    found = [each for each in await entries(hive) if each.verb == verb]
    assert [(each.done, each.actor.split()[0]) for each in found] == [(True, "operator")]
    assert not [each for each in await entries(hive) if not each.done]


async def test_decisions_and_what_they_decided_about(hive: Hive, host: Line) -> None:
    async with connected(hive.paths.agent_socket("hm1nd")) as manager:
        number = (await manager.ok("request_release", name="alice"))["approval"]
    await host.ok("deny", id=number)
    await host.refused("approve", id=number)
    found = [(each.verb, each.done, each.subject, each.approval) for each in await entries(hive)]
    assert found == [
        ("submit", True, "alice", number),
        ("deny", True, "alice", number),
        ("approve", False, "alice", number),
    ]


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("spawn", {"name": "carol", "dry_run": True}),
        ("destroy", {"name": "hm1nd", "dry_run": True}),
        ("adopt", {"name": "alice", "dry_run": True}),
        ("approval", {"id": 99}),
        ("history", {"name": "nobody"}),
        ("settings", {"name": "nobody"}),
        ("spawn", {}),
        ("approve", {"id": "x"}),
        ("nonsense", {}),
    ],
)
async def test_what_only_looks_or_is_no_request_leaves_none(
    hive: Hive, host: Line, verb: str, fields: dict[str, Any]
) -> None:
    await host.refused(verb, **fields)
    assert await entries(hive) == []


async def test_a_long_reason_is_cut(hive: Hive, host: Line) -> None:
    await host.refused("schedule", to="n" * 64, when="every " + "9" * 90, body="x")
    name = "x" * 64
    await host.refused("spawn", name=name, manifest="\n".join(f"k{n} = 1" for n in range(500)))
    assert all(len(each.reason or "") <= 1000 for each in await entries(hive))
    assert len(await entries(hive)) == 2


async def test_an_unforeseen_error_is_in_the_audit_too(
    hive: Hive, host: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(name: str, manifest: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(hive.parts.lifecycle, "spawn", broken)
    assert not (await host.ask("spawn", name="carol", exec=["agent"]))["ok"]
    (entry,) = await entries(hive)
    assert (entry.verb, entry.done, entry.reason) == ("spawn", False, "a bug")


# Connections that act for a session of the dashboard


async def test_what_a_session_does_is_recorded_as_its_own(hive: Hive, host: Line) -> None:
    await host.ok("rebuild", name="alice")
    await host.ok("act_for", via="passkey 'phone'")
    await host.ok("rebuild", name="alice")
    await host.refused("spawn", name="alice", exec=["agent"])
    await host.ok("act_for", via="link of 10:00")
    await host.ok("set_paused", name="bob", paused=True)
    rows = (await host.ok("audit"))["entries"]
    assert [(row["verb"], row["outcome"], row.get("via")) for row in rows] == [
        ("rebuild", "done", None),
        ("rebuild", "done", "passkey 'phone'"),
        ("spawn", "refused", "passkey 'phone'"),
        ("set_paused", "done", "link of 10:00"),
    ]
    assert {(row["by"], row["uid"], row["pid"]) for row in rows} == {
        ("operator", os.geteuid(), os.getpid())
    }, "what it says of itself replaces nothing that the daemon knows"


@pytest.mark.parametrize("verb", sorted(ACTED))
async def test_an_act_leaves_an_entry_only_for_a_session(hive: Hive, verb: str) -> None:
    async with connected(hive.paths.host_socket) as line:
        if verb != "shutdown":
            await line.ask(verb, **ACTED[verb])
        assert await entries(hive) == []
        await line.ok("act_for", via="phone")
        answer = await line.ask(verb, **ACTED[verb])
        found = await entries(hive)
        assert len(found) == (2 if verb == "reset_loop" else 1)
        for entry in found:
            assert (entry.verb, entry.done, entry.origin.via) == (verb, answer["ok"], "phone")
            assert answer["ok"] or entry.reason == answer["error"]


async def test_another_connection_acts_for_nobody(hive: Hive, host: Line) -> None:
    await host.ok("act_for", via="phone")
    async with connected(hive.paths.host_socket) as other:
        await other.ok("set_paused", name="alice", paused=True)
        await other.ok("rebuild", name="alice")
    (entry,) = await entries(hive)
    assert (entry.verb, entry.origin.via) == ("rebuild", None)


async def test_a_session_that_looks_leaves_no_entry(hive: Hive, host: Line) -> None:
    await host.ok("act_for", via="phone")
    for verb in ("list", "agent_status", "attention", "audit", "web_settings", "urls"):
        await host.ok(verb)
    await host.refused("logs", name="nobody")
    assert await entries(hive) == []


async def test_an_entry_for_each_participant_that_it_is_about(hive: Hive, host: Line) -> None:
    await host.ok("act_for", via="phone")
    await host.ok("stop", scope={"agent_names": ["alice", "bob"]})
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        number = (await peer.ok("ask", question="which?"))["id"]
    await host.ok("answer", id=number, answer="that one")
    await host.refused("answer", id=number, answer="that one")
    found = [(each.verb, each.done, each.subject) for each in await entries(hive)]
    assert found == [
        ("stop", True, "alice"),
        ("stop", True, "bob"),
        ("answer", True, "damocles"),
        ("answer", False, ""),
    ]


async def test_an_act_names_the_items_that_it_is_about(hive: Hive, host: Line) -> None:
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        number = (await peer.ok("ask", question="which?"))["id"]
        mail = [(await peer.ok("send", to="operator", body="done"))["id"] for _ in range(2)]
        other = (await peer.ok("send", to="bob", body="go on"))["id"]
    await host.ok("act_for", via="phone")
    await host.ok("mark", key=f"question-{number}", snooze=60)
    await host.ok("answer", id=number, answer="that one")
    await host.ok("read_mail", ids=mail)
    await host.ok("discard", ids=[other])
    await host.ok("set_paused", name="alice", paused=True)
    assert [(each.verb, each.reason) for each in await entries(hive)] == [
        ("mark", f"question-{number}"),
        ("answer", f"question {number}"),
        ("read_mail", f"messages {mail[0]}, {mail[1]}"),
        ("discard", f"message {other}"),
        ("set_paused", None),
    ]


async def test_a_message_of_a_session_is_the_operators(hive: Hive, host: Line) -> None:
    await host.ok("act_for", via="phone")
    number = (await host.ok("send", to="damocles", body="hello"))["id"]
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        (message,) = (await peer.ok("recv"))["messages"]
        assert (message["id"], message["from"]) == (number, "operator")
        origin = await peer.ok("verify", id=number)
    assert origin["operator_verified"]
    assert origin["uid"] == os.geteuid()
    assert origin["socket"].endswith("host.sock")


async def test_a_session_that_decides_is_named_by_the_approval(hive: Hive, host: Line) -> None:
    async with connected(hive.paths.agent_socket("hm1nd")) as manager:
        number = (await manager.ok("request_release", name="alice"))["approval"]
    await host.ok("act_for", via="phone")
    await host.ok("deny", id=number)
    (row,) = (await host.ok("pending", max=9))["approvals"]
    assert row["decided_by"] == f"operator (uid {os.geteuid()}, via phone)"
    (entry,) = [each for each in await entries(hive) if each.verb == "deny"]
    assert entry.origin.via == "phone"
