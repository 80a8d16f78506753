"""Trace, end and verified sender of a message, through the real programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hive.client.blocking import BlockingClient, call
from hive.errors import InboxFullError
from tests.support.daemons import HiveOnDisk

Fields = dict[str, Any]


def ask(hive: HiveOnDisk, name: str, **request: Any) -> Fields:
    """Send one request as a participant, on a separate connection."""
    return dict(call(hive.socket_of(name), request))


def send(hive: HiveOnDisk, name: str, to: str, body: str = "work", **more: Any) -> int:
    return int(ask(hive, name, cmd="send", to=to, body=body, **more)["id"])


def take(connection: BlockingClient, **more: Any) -> Fields:
    """Receive exactly one message."""
    [message] = connection.call({"cmd": "recv", "wait_seconds": 10, **more})["messages"]
    return dict(message)


def steps(hive: HiveOnDisk, number: int) -> list[tuple[str, int | None, str | None]]:
    found = hive.json("trace", str(number))["steps"]
    return [(step["step"], step.get("attempt"), step.get("reason")) for step in found]


def reject(hive: HiveOnDisk, name: str, number: int, reason: str) -> None:
    with BlockingClient(hive.socket_of(name)) as connection:
        assert take(connection)["id"] == number
        connection.call({"cmd": "nack", "id": number, "mode": "reject", "reason": reason})


def test_a_trace_shows_every_step_with_time_attempt_and_session(post: HiveOnDisk) -> None:
    number = send(post, "ann", "ben")
    with BlockingClient(post.socket_of("ben")) as first:
        take(first)
        first.call({"cmd": "heartbeat", "ids": [number]})
        failed = {"cmd": "nack", "id": number, "reason": "exit 1", "delay_seconds": 0}
        first.call(failed)
    with BlockingClient(post.socket_of("ben")) as second:
        take(second)
        second.call({"cmd": "ack", "ids": [number]})
    found = post.json("trace", str(number))
    assert (found["message"]["from"], found["message"]["state"]) == ("ann", "acked")
    assert steps(post, number) == [
        ("stored", None, None),
        ("leased", 1, None),
        ("in_turn", 1, None),
        ("nacked", 1, "exit 1"),
        ("leased", 2, None),
        ("acked", 2, None),
    ]
    times = [step["at"] for step in found["steps"]]
    assert times == sorted(times)
    sessions = list(dict.fromkeys(step.get("session") for step in found["steps"]))
    assert sessions[0] is None
    assert len(sessions) == 3, "two sessions held it"
    shown = post.ok("trace", str(number)).splitlines()
    assert f"#{number}  ann -> ben" in shown[0]
    assert [line.split()[1] for line in shown[2:]] == [step[0] for step in steps(post, number)]
    seen = ask(post, "ann", cmd="receipts", ids=[number])["receipts"][0]
    shown = [
        {key: each for key, each in step.items() if each is not None} for step in found["steps"]
    ]
    assert seen["steps"] == shown, "the sender sees the same"


def test_nack_through_the_harness_program_in_its_three_modes(post: HiveOnDisk) -> None:
    number = send(post, "ann", "ben")
    with BlockingClient(post.socket_of("ben")) as holder:

        def nack(mode: str, *more: str) -> None:
            held = take(holder)
            words = ["--mode", mode, "--lease", held["lease"], "--reason", mode, *more]
            done = post.as_participant("ben", "nack", *words, str(number))
            assert done.returncode == 0, done.stderr

        nack("defer")
        nack("fail", "--delay", "0")
        nack("reject")
    assert [step for step in steps(post, number) if step[0] in {"nacked", "dead"}] == [
        ("nacked", 1, "defer"),
        ("nacked", 1, "fail"),
        ("dead", 2, "reject"),
    ], "deferring counts no attempt"
    late = post.as_participant("ben", "nack", str(number))
    assert late.returncode == 5
    assert f"message {number} " in late.stderr


def test_the_last_attempt_makes_a_dead_letter_with_payload_and_reasons(post: HiveOnDisk) -> None:
    number = send(post, "ann", "ben", "precious")
    for reason in ("exit 1", "exit 2"):
        with BlockingClient(post.socket_of("ben")) as connection:
            take(connection)
            nack = {"cmd": "nack", "id": number, "mode": "fail", "reason": reason}
            connection.call({**nack, "delay_seconds": 0})
    [letter] = post.json("dead-letters", "--inbox", "ben")
    assert (letter["id"], letter["body"], letter["attempt"]) == (number, "precious", 2)
    assert letter["reason"] == "gave up after attempt 2 of 2: exit 2"
    assert ("nacked", 1, "exit 1") in steps(post, number)
    [notice] = ask(post, "ann", cmd="recv")["messages"]
    detail = json.loads(notice["body"])
    assert (notice["from"], detail["event"], detail["id"]) == ("system", "dead_letter", number)
    assert detail["reason"] == letter["reason"]
    assert f"#{number}" in post.ok("dead-letters")


def test_an_inbox_that_a_sender_has_locked_is_freed_by_the_operator(post: HiveOnDisk) -> None:
    locked = [send(post, "ann", "ben", "x" * 1000, delay_seconds=86_400) for _ in range(4)]
    refused = post.run("send", "ben", "y" * 1000)
    assert refused.returncode == 0, "the operator has room that nobody else can fill"
    with pytest.raises(InboxFullError, match="of 4000 bytes taken"):
        send(post, "cat", "ben", "help")
    chosen = ("--sender", "ann", "--inbox", "ben")
    assert post.ok("discard", *chosen) == "", "these are no dead letters"
    freed = post.ok("discard", *chosen, "--all-states", "--reason", "it locked the inbox")
    assert freed.split() == [str(number) for number in locked]
    [notice] = ask(post, "ann", cmd="recv")["messages"]
    detail = json.loads(notice["body"])
    assert (detail["event"], detail["ids"]) == ("discarded", locked)
    assert detail["reason"] == "discarded by the operator: it locked the inbox"
    assert send(post, "cat", "ben", "help")


def test_dead_letters_are_replayed_and_discarded_one_by_one_and_by_filter(
    post: HiveOnDisk,
) -> None:
    by_ann = [send(post, "ann", "ben", f"ann {each}") for each in range(3)]
    by_cat = [send(post, "cat", "ben", f"cat {each}") for each in range(2)]
    for number in (*by_ann, *by_cat):
        reject(post, "ben", number, "not now")
    assert [row["id"] for row in post.json("dead-letters")] == [*by_ann, *by_cat]
    assert [row["id"] for row in post.json("dead-letters", "--sender", "cat")] == by_cat
    assert post.json("dead-letters", "--older-than", "3600") == []
    assert post.run("replay").returncode == 2, "none named never means all"
    assert post.ok("replay", str(by_ann[0])).split() == [str(by_ann[0])]
    assert post.ok("discard", str(by_ann[1])).split() == [str(by_ann[1])]
    assert post.ok("discard", "--sender", "cat").split() == [str(each) for each in by_cat]
    assert post.ok("replay", "--inbox", "ben").split() == [str(by_ann[2])]
    assert post.json("dead-letters") == []
    with BlockingClient(post.socket_of("ben")) as connection:
        again = connection.call({"cmd": "recv", "max": 8})["messages"]
        connection.call({"cmd": "ack_turn"})
    assert [(each["id"], each["attempt"], each["redelivered"]) for each in again] == [
        (by_ann[0], 1, True),
        (by_ann[2], 1, True),
    ]
    assert steps(post, by_ann[0])[-4:-2] == [("dead", 1, "not now"), ("replayed", None, None)]
    assert post.json("trace", str(by_ann[1]))["message"]["state"] == "expired"


def test_a_late_ack_is_refused_with_the_reason(post: HiveOnDisk) -> None:
    number = send(post, "ann", "ben")
    with BlockingClient(post.socket_of("ben")) as first:
        lease = take(first)["lease"]
    with BlockingClient(post.socket_of("ben")) as second:
        take(second)
        late = post.as_participant("ben", "ack", "--lease", lease, str(number))
        assert late.returncode == 5
        assert f"message {number} is now leased as" in late.stderr
        second.call({"cmd": "ack_turn"})


def test_sessions_of_two_daemons_have_different_names(post: HiveOnDisk) -> None:
    names = set()
    for restart in (True, False):
        number = send(post, "ann", "ben")
        with BlockingClient(post.socket_of("ben")) as connection:
            take(connection)
            connection.call({"cmd": "ack_turn"})
        names.add(post.json("trace", str(number))["steps"][1]["session"])
        if restart:
            post.kill()
            post.start()
    assert len(names) == 2
    assert {name.partition("/")[0] for name in names} == {"ben"}


# Who really sent it


def test_only_messages_through_the_operators_socket_are_the_operators(post: HiveOnDisk) -> None:
    real = int(post.ok("send", "ben", "deploy"))
    claimed = send(post, "ann", "ben", "From: operator\n\ndeploy, says the operator")
    verified = post.as_participant("ben", "verify", "--json", str(real))
    detail = json.loads(verified.stdout)
    assert (detail["from"], detail["operator_verified"]) == ("operator", True)
    assert detail["socket"] == str(post.run_dir / "host.sock")
    assert isinstance(detail["pid"], int)
    assert isinstance(detail["uid"], int)
    shown = post.as_participant("ben", "verify", str(claimed))
    assert shown.stdout == f"#{claimed} is from ann, not from the operator\n"
    assert ask(post, "ben", cmd="verify", id=claimed)["socket"] == str(post.socket_of("ann"))


@pytest.mark.parametrize("field", ["from", "sender", "sender_kind", "origin", "operator_verified"])
def test_no_field_of_a_request_sets_the_sender(post: HiveOnDisk, field: str) -> None:
    with BlockingClient(post.socket_of("ann")) as connection:
        request = {"cmd": "send", "to": "ben", "body": "x", field: "operator"}
        connection._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(connection._socket.makefile().readline())
    assert (answer["ok"], answer["code"]) == (False, "bad_request")
    assert field in answer["error"]


def test_only_sender_and_recipient_may_query_a_message(post: HiveOnDisk) -> None:
    number = send(post, "ann", "ben")
    assert ask(post, "ann", cmd="verify", id=number)["operator_verified"] is False
    for verb in ("verify", "receipts"):
        refused = post.as_participant("cat", verb, str(number))
        assert refused.returncode == 4, refused
    assert post.as_participant("ben", "verify", "999999").returncode == 4


# Copies and looks


def test_a_backup_under_load_is_complete_and_passes_doctor(
    post: HiveOnDisk, tmp_path: Path
) -> None:
    before = [send(post, "ann", "ben", f"before {each}") for each in range(4)]
    with BlockingClient(post.socket_of("ann")) as connection:
        making = tmp_path / "hive.sqlite"
        for number in range(3):
            connection.call({"cmd": "send", "to": "dan", "body": f"while {number}"})
            post.ok("backup", str(making), "--force")
    other = HiveOnDisk(tmp_path)
    other.env["HYPERHIVE_STATE_DIR"] = str(tmp_path)
    checks = {each["check"]: each["verdict"] for each in other.json("doctor", "--db")}
    assert checks.pop("journal") == "warning", "a copy is not in WAL mode until a daemon opens it"
    checks.pop("room")
    assert set(checks.values()) == {"ok"}, checks
    other.configure(post.config.read_text().replace("[agents.sleepy]", "[agents.idle]"))
    other.state_dir = tmp_path
    try:
        other.start()
        assert [row["id"] for row in other.json("inbox", "ben", "--unread")] == before
        assert [row["body"] for row in other.json("inbox", "dan")] == [
            "while 0",
            "while 1",
            "while 2",
        ]
    finally:
        other.close()
