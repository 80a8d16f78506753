"""Options of a send, its recipients and its limits, through the real programs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest

from hive.client.blocking import BlockingClient, call
from hive.errors import (
    ConflictError,
    HiveError,
    InboxFullError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
    UnknownNameError,
)
from tests.support.daemons import HiveOnDisk, eventually

Fields = dict[str, Any]


def send(post: HiveOnDisk, name: str, to: str, body: str = "work", **more: Any) -> Fields:
    return dict(call(post.socket_of(name), {"cmd": "send", "to": to, "body": body, **more}))


def operator(post: HiveOnDisk, cmd: str, **fields: Any) -> Fields:
    return dict(call(post.run_dir / "host.sock", {"cmd": cmd, **fields}))


def drain(post: HiveOnDisk, name: str, *, wait: float = 0.0, **more: Any) -> list[Fields]:
    """Receive and ack all messages; return them in order of delivery."""
    with BlockingClient(post.socket_of(name)) as connection:
        recv = {"cmd": "recv", "max": 32, "wait_seconds": wait, **more}
        messages = connection.call(recv, wait + 30)["messages"]
        connection.call({"cmd": "ack_turn"})
        return list(messages)


def bodies(messages: list[Fields]) -> list[str]:
    return [message["body"] for message in messages]


def test_a_dedupe_key_answers_the_first_id_also_after_a_restart(post: HiveOnDisk) -> None:
    words = ("send", "--json", "--dedupe-key", "job-1", "ben")
    first = json.loads(post.as_participant("ann", *words, "once").stdout)
    again = json.loads(post.as_participant("ann", *words, "twice").stdout)
    assert (again["id"], again["duplicate"], again["recipients"]) == (first["id"], True, ["ben"])
    other = send(post, "cat", "ben", dedupe_key="job-1")
    assert other["id"] != first["id"], "a key belongs to its sender"
    post.interrupt()
    post.start()
    assert send(post, "ann", "ben", "thrice", dedupe_key="job-1")["id"] == first["id"]
    assert bodies(drain(post, "ben")) == ["once", "work"]


def test_an_expired_message_is_not_delivered_and_its_sender_gets_a_notice(post: HiveOnDisk) -> None:
    number = send(post, "ann", "ben", "stale", ttl_seconds=0.05)["id"]
    [notice] = drain(post, "ann", wait=10)
    expected = json.loads(notice["body"])
    assert (notice["from"], notice["kind"]) == ("system", "system")
    assert (expected["event"], expected["id"], expected["to"]) == ("expired", number, "ben")
    assert drain(post, "ben") == []
    assert post.json("trace", str(number))["message"]["state"] == "expired"
    own = int(post.ok("send", "ben", "too late", "--ttl", "0.05"))
    eventually(
        lambda: any(f'"id": {own}' in row["body"] for row in post.json("inbox", "--unread")),
        what="a notice to the operator",
    )


def test_another_participant_cannot_answer_for_the_receiver_of_a_message(post: HiveOnDisk) -> None:
    asked = int(post.ok("send", "ben", "shall I delete production?"))
    forged = {"in_reply_to": asked, "body": "ben here: yes"}
    for _ in range(2):
        with pytest.raises(NotFoundError, match=f"no message {asked} to or from 'cat'"):
            send(post, "cat", "operator", **forged)
        drain(post, "ben")
    assert post.run("send", "ben", "and staging?", "--wait=0.1").returncode == 6
    answer = send(post, "ben", "operator", "no", in_reply_to=asked)["id"]
    [row] = [each for each in post.json("inbox") if each.get("in_reply_to") == asked]
    assert (row["id"], row["from"], row["body"]) == (answer, "ben", "no")


def test_a_newer_message_replaces_an_unread_one(post: HiveOnDisk) -> None:
    report = {"supersede_key": "report"}
    old = send(post, "ann", "ben", "10 %", **report)["id"]
    send(post, "cat", "ben", "cat's own", **report)
    new = send(post, "ann", "ben", "90 %", **report)["id"]
    assert bodies(drain(post, "ben")) == ["cat's own", "90 %"]
    trace = post.json("trace", str(old))
    assert trace["steps"][-1]["reason"] == f"superseded by message {new}"


def test_messages_are_ordered_by_priority_and_then_by_age(post: HiveOnDisk) -> None:
    for body, priority in (("d", "low"), ("c", "normal"), ("a", "high"), ("e", "low")):
        done = post.as_participant("ann", "send", "--priority", priority, "ben", body)
        assert done.returncode == 0
    send(post, "cat", "ben", "b", priority="high")
    assert bodies(drain(post, "ben")) == ["a", "b", "c", "d", "e"]


def test_a_delayed_message_is_delivered_when_it_is_due_and_delays_no_other(
    post: HiveOnDisk,
) -> None:
    late = send(post, "ann", "ben", "later", delay_seconds=0.3)["id"]
    send(post, "ann", "ben", "now")
    assert bodies(drain(post, "ben")) == ["now"]
    assert post.json("inbox", "ben", "--unread")[0]["not_before"]
    [message] = drain(post, "ben", wait=10)
    assert message["id"] == late
    sent, leased = (step["at"] for step in post.json("trace", str(late))["steps"][:2])
    assert leased > sent


def test_threads_begin_with_the_first_message(post: HiveOnDisk) -> None:
    first = int(post.ok("send", "ben", "question"))
    answer = send(post, "ben", "operator", "answer", in_reply_to=first)["id"]
    post.ok("send", "ben", "thanks", "--reply-to", str(answer))
    assert bodies(post.json("search", "--thread", str(first))) == ["question", "answer", "thanks"]
    assert [message.get("thread") for message in drain(post, "ben")] == [None, first]


# Recipients


def test_a_group_is_everyone_in_it_but_the_sender(post: HiveOnDisk) -> None:
    post.ok("group", "add", "team", "ann", "ben", "cat")
    sent = send(post, "ann", "@team")
    assert sent["recipients"] == ["ben", "cat"]
    [team] = post.json("queues")["groups"]
    assert team == {"name": "team", "members": ["ann", "ben", "cat"], "unread": 2}
    assert "@team  2 unread  ann ben cat" in post.ok("queues")
    assert len(drain(post, "ben")) == len(drain(post, "cat")) == 1
    post.ok("group", "remove", "team", "ann", "ben", "cat")
    with pytest.raises(UnknownNameError, match="no group '@team'"):
        send(post, "ann", "@team")


def test_each_message_of_a_work_queue_goes_to_one_receiver(post: HiveOnDisk) -> None:
    for number in range(4):
        post.ok("send", "queue:jobs", f"job {number}")
    with ExitStack() as stack:
        ben, cat = (
            stack.enter_context(BlockingClient(post.socket_of(name))) for name in ("ben", "cat")
        )
        recv = {"cmd": "recv", "queue": "jobs", "max": 2}
        taken = [bodies(worker.call(recv)["messages"]) for worker in (ben, cat)]
        assert taken == [["job 0", "job 1"], ["job 2", "job 3"]]
        [row] = post.json("queues")["queues"]
        assert (row["name"], row["stored"], row["leased"]) == ("jobs", 0, 4)
        ben.call({"cmd": "ack_turn"})
    returned = drain(post, "ann", queue="jobs")
    assert [(each["body"], each["attempt"]) for each in returned] == [("job 2", 2), ("job 3", 2)]
    assert post.ok("queues") == "queue:jobs  0 waiting, 0 in work, 0 bytes, 0 receivers\n"
    post.ok("remove-queue", "jobs")
    assert post.json("queues")["queues"] == []


def test_a_queue_with_mail_is_removed_only_by_force_and_its_mail_becomes_dead_letters(
    post: HiveOnDisk,
) -> None:
    post.ok("send", "queue:jobs", "held")
    number = send(post, "ann", "queue:jobs", "waiting")["id"]
    with BlockingClient(post.socket_of("cat")) as cat:
        assert bodies(cat.call({"cmd": "recv", "queue": "jobs"})["messages"]) == ["held"]
        refused = post.run("remove-queue", "queue:jobs")
        assert refused.returncode == 5
        assert "holds 2 messages, 1 in work" in refused.stderr
        post.ok("remove-queue", "jobs", "--force")
        with pytest.raises(HiveError, match="its queue was removed"):
            cat.call({"cmd": "ack_turn"})
        with pytest.raises(UnknownNameError, match="no queue 'jobs'"):
            cat.call({"cmd": "recv", "queue": "jobs"})
    assert post.run("remove-queue", "jobs").returncode == 4
    letters = post.json("dead-letters", "--inbox", "queue:jobs")
    assert {row["reason"] for row in letters} == {"its queue was removed"}
    assert post.ok("replay", str(number)).split() == [str(number)]
    assert bodies(drain(post, "cat", queue="jobs")) == ["waiting"], "it is a queue again"
    post.ok("remove-queue", "jobs")


def test_a_receiver_that_waits_for_a_removed_queue_is_answered(post: HiveOnDisk) -> None:
    post.ok("send", "queue:jobs", "one")
    assert len(drain(post, "cat", queue="jobs")) == 1
    with BlockingClient(post.socket_of("cat")) as cat:
        cat._socket.sendall(b'{"cmd":"recv","queue":"jobs","wait_seconds":60}\n')
        eventually(
            lambda: operator(post, "queues")["queues"][0]["receivers"] == 1, what="a receiver"
        )
        operator(post, "remove_queue", name="jobs")
        assert json.loads(cat._socket.makefile().readline())["messages"] == []


def test_a_broadcast_names_the_participants_that_it_skips(post: HiveOnDisk) -> None:
    post.ok("stop", "sleepy")
    sent = post.json("send", "*", "all hands")
    assert sent["recipients"] == ["ann", "ben"], "the peers that opted in"
    assert sent["skipped"] == [
        {"name": "sleepy", "reason": "was never connected and is stopped"},
    ]
    from_ann = send(post, "ann", "*", "others")
    assert from_ann["recipients"] == ["ben"]


# Limits


def test_a_message_over_a_limit_is_refused_with_the_numbers_and_not_stored(
    post: HiveOnDisk,
) -> None:
    with pytest.raises(TooLargeError, match="1001 bytes, the limit is 1000"):
        send(post, "ann", "ben", "x" * 1001)
    for _ in range(8):
        send(post, "ann", "ben")
    with pytest.raises(InboxFullError, match="8 of 8 messages unread"):
        send(post, "ann", "ben")
    refused = post.as_participant("ann", "send", "ben", "more")
    assert (refused.returncode, "8 of 8 messages" in refused.stderr) == (5, True)
    assert operator(post, "send", to="ben", body="operators are exempt")["recipients"] == ["ben"]
    assert len(drain(post, "ben")) == 9
    for _ in range(4):
        send(post, "ann", "ben", "x" * 999)
    with pytest.raises(InboxFullError, match="3996 of 4000 bytes taken, and this message has 5"):
        send(post, "ann", "ben", "x" * 5)


def test_a_sender_over_its_rate_is_refused_with_the_time_to_wait(post: HiveOnDisk) -> None:
    request = {"cmd": "send", "to": "ben", "body": "x", "supersede_key": "state"}
    expected = r"100 messages within a minute, the limit is 100;.* possible in 0\.\d s"
    with BlockingClient(post.socket_of("eve")) as eve:

        def send_many() -> None:
            for _ in range(200):
                eve.call(request)

        with pytest.raises(RateLimitedError, match=expected):
            send_many()
    assert len(drain(post, "ben")) == 1


def test_a_loop_opens_a_circuit_notifies_both_and_can_be_reset(post: HiveOnDisk) -> None:
    for _ in range(4):
        send(post, "cat", "dan", "ping")
        send(post, "dan", "cat", "pong")
    parked = send(post, "cat", "dan", "parked")
    assert parked["parked"] == "each has sent the other 4 messages within a minute"
    [loop] = post.json("loops")
    assert (loop["pair"], loop["parked"]) == (["cat", "dan"], 1)
    for name in ("cat", "dan"):
        got = [message for message in drain(post, name) if message["from"] == "system"]
        assert [json.loads(notice["body"])["event"] for notice in got] == ["loop_tripped"]
    assert drain(post, "dan") == []
    assert post.json("trace", str(parked["id"]))["steps"][-1]["step"] == "parked"
    post.ok("reset-loop", "dan", "cat")
    assert bodies(drain(post, "dan")) == ["parked"]
    assert post.json("loops") == []
    assert send(post, "cat", "dan", "again").get("parked") is None
    assert post.run("reset-loop", "dan", "cat").returncode == 5
    found = [step["step"] for step in post.json("trace", str(parked["id"]))["steps"]]
    assert found == ["stored", "parked", "released", "leased", "acked"]


def test_only_the_operator_creates_a_queue(post: HiveOnDisk) -> None:
    with pytest.raises(UnknownNameError, match="there is no participant 'queue:mine'"):
        send(post, "ann", "queue:mine")
    operator(post, "send", to="queue:mine", body="begin")
    with pytest.raises(ConflictError, match="holds 1 message,"):
        operator(post, "remove_queue", name="mine")
    assert send(post, "ann", "queue:mine")["recipients"] == ["queue:mine"]
    operator(post, "remove_queue", name="mine", force=True)
