"""Strict decoding of requests, errors with path and nearest valid word, and responses."""

from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import BadRequestError, InboxFullError
from hive.wire import agent, host
from hive.wire.base import Request
from hive.wire.codec import (
    RequestDecoder,
    encode_error,
    encode_ok,
    request_id,
)
from hive.wire.enums import CancelKind
from hive.wire.rows import Delivery, InboxRow, StatusRow

AGENT: RequestDecoder[Request] = RequestDecoder(agent.AgentRequest)
HOST: RequestDecoder[Request] = RequestDecoder(host.HostRequest)
MANAGER: RequestDecoder[Request] = RequestDecoder(agent.ManagerRequest)


@pytest.mark.parametrize("verb", ["inbox", "events"])
def test_a_cursor_is_a_number_that_the_store_can_hold(verb):
    def request(after: int) -> bytes:
        return json.dumps({"cmd": verb, "after": after}).encode()

    assert HOST.decode(request(2**63 - 1)).after == 2**63 - 1
    for wrong in (-1, 2**63, 10**30):
        with pytest.raises(BadRequestError, match="after"):
            HOST.decode(request(wrong))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"cmd":"list"}', host.ListAgents()),
        (b'{"cmd":"agent_status"}', host.AgentStatus()),
        (b'{"cmd":"subscribe_agent_status"}', host.SubscribeAgentStatus()),
        (b'{"cmd":"urls"}', host.Urls()),
        (b'{"cmd":"set_paused","name":"a","paused":true}', host.SetPaused(name="a", paused=True)),
        (b'{"cmd":"restart","name":"a"}', host.Restart(name="a")),
        (b'{"cmd":"start","scope":{"agent_names":["a"]}}', host.Start(scope=host.Scope(["a"]))),
        (
            b'{"cmd":"stop","scope":{"agent_names":["a"]},"graceful":true}',
            host.Stop(scope=host.Scope(["a"]), graceful=True),
        ),
        (b'{"cmd":"pending"}', host.Pending()),
        (b'{"cmd":"approve","id":42}', host.Approve(id=42)),
        (b'{"cmd":"deny","id":42,"note":"no"}', host.Deny(id=42, note="no")),
        (b'{"cmd":"spawn","name":"a"}', host.Spawn(name="a")),
        (b'{"cmd":"kill","name":"a"}', host.Kill(name="a")),
        (b'{"cmd":"rebuild","name":"a"}', host.Rebuild(name="a")),
        (b'{"cmd":"destroy","name":"a","purge":false}', host.Destroy(name="a")),
    ],
)
def test_requests_of_the_existing_clients_are_decoded(line: bytes, expected: Request) -> None:
    assert HOST.decode(line) == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not JSON: it is empty"),
        (b"\r", "not JSON: it is empty"),
        (b'{"cmd":"send","to":"bob","body":"\\uDcff"}', "do not stand alone"),
        (b"hello", "not JSON"),
        (b'{"cmd":"status"', "not JSON"),
        (b'{"cmd":"send","to":"bob","body":"\xff"}', "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[1,2]", "a request is a JSON object"),
        (b"{}", "needs the field 'cmd'"),
        (b'{"cmd":7}', "needs the field 'cmd'"),
        (b'{"cmd":"sned"}', "did you mean 'send'?"),
        (b'{"cmd":"send","to":"bob"}', "body"),
        (b'{"cmd":"send","to":"bob","body":"x","bodies":1}', "did you mean 'body'?"),
        (b'{"cmd":"send","to":"bob","body":"x","from":"operator"}', "no field 'from'"),
        (b'{"cmd":"send","to":7,"body":"x"}', "$.to"),
        (b'{"cmd":"send","to":"","body":"x"}', "$.to"),
        (b'{"cmd":"send","to":"bob","body":"x","in_reply_to":0}', "$.in_reply_to"),
        (b'{"cmd":"send","to":"bob","body":"x","in_reply_to":1e400}', "out of range"),
        (b'{"cmd":"send","to":"bob","body":"x","in_reply_to":9223372036854775808}', "in_reply_to"),
        (b'{"cmd":"recv","wait_seconds":181}', "$.wait_seconds"),
        (b'{"cmd":"recv","wait_seconds":-1}', "$.wait_seconds"),
        (b'{"cmd":"recv","wait_seconds":NaN}', "not JSON"),
        (b'{"cmd":"recv","max":33}', "$.max"),
        (b'{"cmd":"recv","max":true}', "$.max"),
        (b'{"cmd":"recv","max_bytes":0}', "$.max_bytes"),
        (b'{"cmd":"recv","max_bytes":1.5}', "$.max_bytes"),
        (b'{"cmd":"recv","ack":"1"}', "$.ack"),
        (b'{"cmd":"ack","ids":[]}', "$.ids"),
        (b'{"cmd":"nack","id":1,"mode":"later"}', "$.mode"),
        (b'{"cmd":"status","req":[1]}', "$.req"),
        (b'{"cmd":"ask","question":""}', "$.question"),
        (b'{"cmd":"ask","question":"x","on_expiry":"shrug"}', "$.on_expiry"),
        (b'{"cmd":"ask","question":"x","ttl_seconds":0}', "$.ttl_seconds"),
        (b'{"cmd":"ask","question":"x","option":["a"]}', "did you mean 'options'?"),
        (b'{"cmd":"remind","message":"x"}', "give one of 'delay_seconds' and 'at_unix_timestamp'"),
        (b'{"cmd":"remind","message":"x","delay_seconds":1,"at_unix_timestamp":1}', "give one of"),
        (b'{"cmd":"cancel","kind":"turn","id":1}', "$.kind"),
        (b'{"cmd":"report","state":"busy","since":1}', "$.state"),
        (b'{"cmd":"turn","started_at":1,"ended_at":2,"wake":"x","outcome":"ok"}', "$.outcome"),
        (b'{"cmd":"orders","wait_seconds":181}', "$.wait_seconds"),
        (b'{"cmd":"orders","after":9223372036854775808}', "$.after"),
        (b'{"cmd":"live","kind":"text","text":7}', "$.text"),
    ],
)
def test_the_error_of_an_invalid_line_names_the_mistake(line: bytes, says: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        AGENT.decode(line)
    assert says in str(refused.value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_bad_request(line: bytes) -> None:
    with suppress(BadRequestError):
        AGENT.decode(line)
    assert request_id(line) is None or isinstance(request_id(line), str | int)


@given(
    to=st.text(min_size=1, max_size=64),
    body=st.text(max_size=300),
    reply=st.none() | st.integers(1, 2**63 - 1),
    req=st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=10),
)
def test_a_request_survives_the_round_trip(
    to: str, body: str, reply: int | None, req: str | int | None
) -> None:
    sent = agent.Send(to=to, body=body, in_reply_to=reply, req=req)
    assert AGENT.decode(msgspec.json.encode(sent)) == sent


def test_no_agent_verb_reaches_operator_authority() -> None:
    operator_only = {"spawn", "destroy", "approve", "deny", "shutdown", "register_peer", "inbox"}
    assert not operator_only & (AGENT.verbs | MANAGER.verbs)
    assert not {"kill", "start", "restart"} & AGENT.verbs
    assert AGENT.verbs < MANAGER.verbs


def test_agent_verbs_that_the_existing_hive_has_too_take_its_fields() -> None:
    for line, expected in (
        (
            b'{"cmd":"ask","question":"go?","options":["yes","no"],"multi":false,"ttl_seconds":600}',
            agent.Ask(question="go?", options=["yes", "no"], ttl_seconds=600.0),
        ),
        (b'{"cmd":"answer","id":5,"answer":"yes"}', agent.Answer(id=5, answer="yes")),
        (
            b'{"cmd":"remind","message":"x","at_unix_timestamp":9}',
            agent.Remind(message="x", at_unix_timestamp=9.0),
        ),
        (b'{"cmd":"loose_ends"}', agent.ListOpenItems()),
        (
            b'{"cmd":"cancel","kind":"reminder","id":5}',
            agent.Cancel(kind=CancelKind.REMINDER, id=5),
        ),
    ):
        assert AGENT.decode(line) == expected


def test_no_request_of_an_agent_names_its_sender() -> None:
    for line in (b'{"cmd":"send","sender":"x"}', b'{"cmd":"recv","as":"x"}'):
        with pytest.raises(BadRequestError, match="no field"):
            AGENT.decode(line)
    assert AGENT.decode(b'{"cmd":"wake","from":"cron","body":""}') == agent.Wake(
        label="cron", body=""
    )


def test_a_response_omits_absent_fields_and_preserves_the_order() -> None:
    row = StatusRow(
        name="a", running=True, failed=False, needs_update=False, needs_login=False,
        kind="agent", state="running",
    )  # fmt: skip
    line = encode_ok(3, agent_statuses=[row], error_count=None)
    assert line.endswith(b"\n")
    decoded = json.loads(line)
    assert list(decoded) == ["version", "ok", "agent_statuses", "req"]
    assert list(decoded["agent_statuses"][0])[:7] == [
        "name", "running", "failed", "needs_update", "needs_login", "pending_reminders", "paused",
    ]  # fmt: skip
    assert "deployed_sha" not in decoded["agent_statuses"][0]


def test_the_sender_of_a_message_is_from_on_the_wire() -> None:
    row = Delivery(
        id=1,
        sender="a",
        body="b",
        sent_at="t",
        attempt=1,
        redelivered=False,
        lease="l",
        kind="agent",
    )
    entry = InboxRow(
        id=1, sender="a", to="b", body="", sent_at="t", state="stored", attempt=0, kind="agent"
    )
    decoded = json.loads(encode_ok(messages=[row, entry]))["messages"]
    assert [message["from"] for message in decoded] == ["a", "a"]
    assert "sender" not in decoded[0]


def test_an_error_has_its_sentence_its_code_and_the_request_id() -> None:
    decoded = json.loads(encode_error(InboxFullError("bob has 3 of 3"), "r1"))
    assert decoded == {
        "version": 1, "ok": False, "error": "bob has 3 of 3", "code": "full", "req": "r1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "req"),
    [
        (b'{"cmd":"nope","req":7}', 7),
        (b'{"req":"a"}', "a"),
        (b'{"req":true}', None),
        (b'{"req":[1]}', None),
        (b'{"cmd":"send","to":"bob","body":"\\ud800","req":7}', 7),
        (b'{"cmd":"send","\\udfff":1,"req":"a"}', "a"),
        (b'{"body":"\xed\xa0\x80","req":8}', 8),
        (b'{"cmd":"\xff","req":8}', None),
        (b'{"req":"\\ud800"}', None),
        (b'{"req":18446744073709551616}', 1 << 64),
        (b'{"req":' + b"[" * 10_000, None),
        (b"[7]", None),
        (b"\xff", None),
    ],
)
def test_the_request_id_of_an_invalid_line(line: bytes, req: str | int | None) -> None:
    assert request_id(line) == req
