"""Approvals on host.sock, byte for byte as clients of the existing hyperhive know them."""

import json
from typing import Any

import attrs
import pytest

from hive.wire.change_rows import ApprovalRow
from hive.wire.rows import StatusRow
from tests.deploys.test_deploys import TOML, field, site
from tests.support.hives import Line, Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")

FIELDS = (
    *("id", "agent", "kind", "commit_ref", "fetched_sha", "requested_at", "status", "resolved_at"),
    *("note", "description"),
)
"""The fields of version 1, in their order."""

STATUS_FIELDS = (
    *("name", "running", "failed", "needs_update", "needs_login", "deployed_sha"),
    *("pending_reminders", "paused", "parent", "active_model", "status_text", "status_set_at"),
    "url",
)


async def raw(line: Line, request: str) -> str:
    """Send a line as it is; return the line of the answer as it is."""
    line.writer.write(request.encode() + b"\n")
    await line.writer.drain()
    return (await line.reader.readline()).decode()


def shown(sha: str, **fields: Any) -> str:
    """Return the beginning of a row of version 1."""
    row = {"id": 1, "agent": "alice", "kind": "spawn", "commit_ref": sha, "fetched_sha": sha}
    return json.dumps({**row, **fields}, separators=(",", ":"))[:-1]


async def test_pending_and_deny(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        host = await found.host()
        assert await raw(host, '{"cmd":"pending"}') == '{"version":1,"ok":true,"approvals":[]}\n'
        sha = await found.commit()
        await found.propose(sha, description="a helper")
        (row,) = (await host.ok("pending"))["approvals"]
        assert row["requested_at"].endswith("Z") or row["requested_at"].endswith("+00:00")
        line = await raw(host, '{"cmd":"pending"}')
        begin = shown(sha, requested_at=row["requested_at"], status="pending")
        begin += ',"description":"a helper"'
        assert line.startswith('{"version":1,"ok":true,"approvals":[' + begin)
        assert line.endswith("}]}\n")
        line = await raw(host, '{"cmd":"deny","id":1,"note":"too much"}')
        assert line.startswith('{"version":1,"ok":true')
        (row,) = (await host.ok("pending", max=5))["approvals"]
        assert (row["status"], row["note"]) == ("denied", "too much")
        assert [key for key in row if key in FIELDS] == list(FIELDS)
        assert list(row)[: len(FIELDS)] == list(FIELDS)


async def test_approve_without_a_note_and_twice(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        host = await found.host()
        sha = await found.commit()
        await found.propose(sha)
        for _ in range(2):
            line = await raw(host, '{"cmd":"approve","id":1}')
            assert line.startswith('{"version":1,"ok":true')
        row = await found.approve(1)
        assert (row["status"], row["commit_ref"]) == ("done", sha)
        status = json.loads(await raw(host, '{"cmd":"agent_status"}'))["agent_statuses"]
        (alice,) = [row for row in status if row["name"] == "alice"]
        assert (alice["deployed_sha"], alice["needs_update"]) == (sha, False)
        order = [key for key in alice if key in STATUS_FIELDS]
        assert order == [key for key in STATUS_FIELDS if key in alice]
        assert list(alice)[: len(order)] == order


async def test_a_held_approval_is_pending_for_them(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.propose(await found.commit(), ttl_seconds=1, on_expiry="hold")
        approvals = found.hive.parts.approvals
        approvals._open[1] = attrs.evolve(approvals._open[1], expires_at=1.0)
        await approvals.expire()
        (row,) = (await (await found.host()).ok("pending"))["approvals"]
        assert (row["status"], row["overdue"]) == ("pending", True)
        assert (await found.approve(1))["status"] == "done"


@pytest.mark.parametrize("verb", ["approve", "deny"])
@pytest.mark.parametrize("number", [7, 0, -1, 2**63 - 1])
async def test_an_unknown_number_is_refused_in_words(site: Site, verb: str, number: int) -> None:
    async with field(site, ScriptedRuntime()) as found:
        answer = json.loads(await raw(await found.host(), f'{{"cmd":"{verb}","id":{number}}}'))
        assert list(answer)[:3] == ["version", "ok", "error"]
        assert (answer["version"], answer["ok"]) == (1, False)
        assert answer["error"]


async def test_request_spawn_takes_the_newest_commit(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        host = await found.host()
        line = await raw(host, '{"cmd":"request_spawn","name":"alice"}')
        assert line.startswith('{"version":1,"ok":false,"error":"')
        assert "commit an agent.toml" in line
        await found.commit()
        second = await found.commit(TOML + "# newer\n")
        line = await raw(host, '{"cmd":"request_spawn","name":"alice"}')
        assert line.startswith('{"version":1,"ok":true')
        (row,) = (await host.ok("pending"))["approvals"]
        assert (row["kind"], row["fetched_sha"], row["requested_by"]) == (
            *("spawn", second, "operator"),
        )


async def test_the_manager_is_told_how_its_approvals_end(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.commit()
        await found.propose(first)
        await found.approve(1)
        await found.propose(await found.commit(TOML + "# more\n"), "request_apply_commit")
        await (await found.host()).ok("deny", id=2, note="not now")
        manager = await found.manager()
        events: list[dict[str, Any]] = []
        while len(events) < 2:
            for message in (await manager.ok("recv", wait_seconds=5, max=8))["messages"]:
                body = json.loads(message["body"])
                events += [body] if body["event"] == "approval_resolved" else []
        assert events[0] == {
            "event": "approval_resolved",
            "id": 1,
            "agent": "alice",
            "kind": "spawn",
            "status": "done",
            "sha": first,
            "tag": "deployed/1",
        }
        assert (events[1]["status"], events[1]["note"]) == ("denied", "not now")
        assert (events[1]["tag"], events[1]["kind"]) == ("denied/2", "apply_commit")


def test_the_field_order_is_that_of_the_fixtures() -> None:
    assert ApprovalRow.__struct_fields__[: len(FIELDS)] == FIELDS
    assert StatusRow.__struct_fields__[: len(STATUS_FIELDS)] == STATUS_FIELDS
