"""Strict decoding of requests, errors with path and nearest valid word, and responses."""

from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import BadRequestError, InboxFullError
from hive.wire import agent, change_requests, host, web_requests
from hive.wire.base import Request
from hive.wire.codec import (
    RequestDecoder,
    encode_error,
    encode_ok,
    repeated_key,
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
        (b'{"cmd":"urls"}', web_requests.Urls()),
        (b'{"cmd":"act_for","via":"x"}', web_requests.ActFor(via="x")),
        (b'{"cmd":"web_settings"}', web_requests.ShowWebSettings()),
        (b'{"cmd":"set_paused","name":"a","paused":true}', host.SetPaused(name="a", paused=True)),
        (b'{"cmd":"restart","name":"a"}', host.Restart(name="a")),
        (b'{"cmd":"start","scope":{"agent_names":["a"]}}', host.Start(scope=host.Scope(["a"]))),
        (
            b'{"cmd":"stop","scope":{"agent_names":["a"]},"graceful":true}',
            host.Stop(scope=host.Scope(["a"]), graceful=True),
        ),
        (b'{"cmd":"pending"}', change_requests.Pending()),
        (b'{"cmd":"approve","id":42}', change_requests.Approve(id=42)),
        (b'{"cmd":"deny","id":42,"note":"no"}', change_requests.Deny(id=42, note="no")),
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
        (
            b'{"cmd":"send","to":"bob","body":"\\uDcff"}',
            "not JSON: halves of surrogate pairs, \\ud800 to \\udfff, do not stand alone",
        ),
        (b"hello", "not JSON: invalid character (byte 0)"),
        (b'{"cmd":"status"', "not JSON: it ends too early"),
        (b'{"cmd":"send","to":"bob","body":"\xff"}', "not JSON: it is not UTF-8"),
        (b"[" * 50_000, "not JSON: its lists and objects are nested too deep"),
        (b'{"cmd":"recv","max":1e999}', "not JSON: it holds a number that is too large"),
        (b"[1]", "a request is a JSON object, this line is a list"),
        (b"null", "a request is a JSON object, this line is null"),
        (b'{"cmd":"recv","cmd":"nope"}', "the key 'cmd' stands twice"),
        (b'{"cmd":"recv","max":1,"nax":2,"max":1}', "the key 'max' stands twice"),
        (b"[1,2]", "a request is a JSON object"),
        (b"{}", "needs the field 'cmd'"),
        (b'{"cmd":7}', "needs the field 'cmd'"),
        (b'{"cmd":"sned"}', "did you mean 'send'?"),
        (b'{"cmd":"send","to":"bob"}', "'send': 'body' is missing"),
        (b'{"cmd":"send","to":"bob","body":"x","bodies":1}', "did you mean 'body'?"),
        (b'{"cmd":"send","to":"bob","body":"x","from":"operator"}', "no field 'from'"),
        (b'{"cmd":"send","to":7,"body":"x"}', "'to' is a whole number, it takes text"),
        (b'{"cmd":"send","to":"","body":"x"}', "'send': 'to' is empty"),
        (
            b'{"cmd":"send","to":"bob","body":"x","in_reply_to":0}',
            "'in_reply_to' is 0, at least 1 is needed",
        ),
        (b'{"cmd":"send","to":"bob","body":"x","in_reply_to":1e400}', "a number that is too large"),
        (b'{"cmd":"send","to":"bob","body":"x","in_reply_to":9223372036854775808}', "in_reply_to"),
        (b'{"cmd":"recv","wait_seconds":181}', "'wait_seconds' is 181, at most 180 is allowed"),
        (b'{"cmd":"recv","wait_seconds":-1}', "'wait_seconds' is -1, at least 0 is needed"),
        (b'{"cmd":"recv","wait_seconds":NaN}', "not JSON"),
        (b'{"cmd":"recv","max":33}', "'max' is 33, at most 32 is allowed"),
        (b'{"cmd":"recv","max":true}', "'max' is true, it takes a whole number"),
        (b'{"cmd":"recv","max_bytes":0}', "'max_bytes' is 0, at least "),
        (b'{"cmd":"recv","max_bytes":1.5}', "'max_bytes' is a number, it takes a whole number"),
        (b'{"cmd":"recv","ack":"1"}', "'ack' is text, it takes "),
        (b'{"cmd":"ack","ids":[]}', "'ids' is empty"),
        (
            b'{"cmd":"nack","id":1,"mode":"later"}',
            "'mode' is 'later', it takes one of defer, fail, reject",
        ),
        (
            b'{"cmd":"nack","id":1,"delay_seconds":86401}',
            "'delay_seconds' is 86401, at most 86400 is allowed",
        ),
        (b'{"cmd":"status","req":[1]}', "'req' is a list, it takes "),
        (b'{"cmd":"ask","question":""}', "'question' is empty"),
        (
            b'{"cmd":"ask","question":"x","on_expiry":"shrug"}',
            "'on_expiry' is 'shrug', it takes one of ",
        ),
        (
            b'{"cmd":"ask","question":"x","ttl_seconds":0}',
            "'ttl_seconds' is 0, more than 0 is needed",
        ),
        (b'{"cmd":"ask","question":"x","option":["a"]}', "did you mean 'options'?"),
        (b'{"cmd":"remind","message":"x"}', "give one of 'delay_seconds' and 'at_unix_timestamp'"),
        (b'{"cmd":"remind","message":"x","delay_seconds":1,"at_unix_timestamp":1}', "give one of"),
        (b'{"cmd":"cancel","kind":"turn","id":1}', "'kind' is 'turn', it takes one of "),
        (b'{"cmd":"report","state":"busy","since":1}', "'state' is 'busy', it takes one of "),
        (
            b'{"cmd":"turn","started_at":1,"ended_at":2,"wake":"x","outcome":"ok"}',
            "'outcome' is 'ok', it takes one of ",
        ),
        (b'{"cmd":"orders","wait_seconds":181}', "'wait_seconds' is 181, at most 180 is allowed"),
        (b'{"cmd":"orders","after":9223372036854775808}', "'after' is "),
        (b'{"cmd":"live","kind":"text","text":7}', "'text' is a whole number"),
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


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"cmd":"send","to":"a","to":"b","body":"x"}', "to"),
        (b'{"cmd":"list","cmd":"list"}', "cmd"),
        (b'{"cmd":"send","t\\u006f":"a","to":"b","body":"x"}', "to"),
        (b'{"a":{"b":1,"b":2}}', "b"),
        (b'{"cmd":"send","to":"a","body":"\\"to\\":1,\\"to\\":2","req":"to"}', None),
        (b'[{"a":1},{"a":2}]', None),
        (b'{"a":{"a":{"a":1}}}', None),
    ],
)
def test_a_key_that_stands_twice(line: bytes, key: str | None) -> None:
    error = repeated_key(line)
    assert (error is not None) == (key is not None)
    assert error is None or f"the key {key!r} stands twice" in str(error)


def test_a_line_that_is_nested_too_deep_to_look_for_keys_is_an_error() -> None:
    line = b'{"cmd":"send","to":"bob","body":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert "nested too deep" in str(repeated_key(line))


def test_a_key_that_stands_very_often_is_found_quickly() -> None:
    line = b'{"cmd":"list"' + b',"req":1' * 100_000 + b"}"
    assert str(repeated_key(line)).startswith("the key 'req'")
