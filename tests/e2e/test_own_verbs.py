"""Questions, reminders, the status line, work queues and answers, by `hive-ag3nt` in scripts."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually


def by(hive: HiveOnDisk, name: str, *words: str, **options: Any) -> str:
    """Run `hive-ag3nt` as a participant; it must succeed."""
    done = hive.as_participant(name, *words, **options)
    assert done.returncode == 0, (words, done.stderr)
    return str(done.stdout)


def test_a_question_is_asked_listed_and_answered(post: HiveOnDisk) -> None:
    words = ("--option", "yes", "--option", "no", "--to", "ben")
    number = by(post, "ann", "ask", "May I?", *words).strip()
    assert f"question {number} to ben, open, asked " in by(post, "ann", "loose-ends")
    lines = by(post, "ben", "loose-ends").splitlines()
    assert lines[0].startswith(f"question {number} from ann, open, asked ")
    assert lines[1:] == ["    May I?", "    - yes", "    - no"]
    assert by(post, "ben", "answer", number, "yes") == ""
    [answer] = [json.loads(line) for line in by(post, "ann", "recv", "--json").splitlines()]
    assert (answer["type"], answer["in_reply_to"]) == ("answer", int(number))
    assert "yes" in answer["body"]
    late = post.as_participant("ben", "answer", number, "no")
    assert late.returncode == 5
    unknown = post.as_participant("ben", "answer", "999999", "no")
    assert "'loose-ends' shows those open" in unknown.stderr, "as the program names the verb"
    assert by(post, "ann", "loose-ends") == ""


def test_a_question_may_come_from_standard_input_and_goes_to_the_operator(post: HiveOnDisk) -> None:
    asked = json.loads(by(post, "ann", "ask", "--json", stdin="How far?\n"))
    [row] = [row for row in post.json("questions") if row["id"] == asked["id"]]
    assert (row["asker"], row["to"], row["question"]) == ("ann", "operator", "How far?")
    by(post, "ann", "cancel", "question", str(asked["id"]))
    assert asked["id"] not in [row["id"] for row in post.json("questions")]


def test_a_reminder_comes_at_its_time_or_is_taken_back(post: HiveOnDisk) -> None:
    when = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    later = by(post, "ann", "remind", "--at", when.isoformat(), "look").strip()
    due = when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert by(post, "ann", "loose-ends") == f"reminder {later}, due {due}\n    look\n"
    by(post, "ann", "cancel", "reminder", later)
    assert by(post, "ann", "loose-ends") == ""
    past = post.as_participant("ann", "remind", "--at", "2001-01-01T01:00+01:00", "late")
    assert past.returncode != 0
    assert "2001-01-01T00:00:00.000Z is past, it is " in past.stderr
    number = by(post, "ann", "remind", "now", "--delay", "0.01").strip()
    message = json.loads(by(post, "ann", "recv", "--wait", "10", "--json"))
    assert (message["id"], message["type"], message["body"]) == (int(number), "reminder", "now")


def test_the_status_line_is_set_and_cleared(post: HiveOnDisk) -> None:
    by(post, "ann", "set-status", "on the parser")
    assert "on the parser" in by(post, "ben", "who")
    by(post, "ann", "set-status", "")
    assert "on the parser" not in by(post, "ben", "who")


def test_a_work_queue_is_received_from(post: HiveOnDisk) -> None:
    number = post.ok("send", "queue:build", "go").strip()
    assert by(post, "ben", "recv") == "", "it is not in the inbox"
    assert f"#{number} from operator" in by(post, "ben", "recv", "--queue", "build", "--keep")
    assert f"#{number} from operator" in by(post, "cat", "recv", "--queue", "build")
    assert by(post, "cat", "recv", "--queue", "build") == ""
    post.ok("remove-queue", "build")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("remind", "x"), "give one of --delay and --at; see 'hive-ag3nt remind --help'"),
        (("remind", "x", "--at", "soon"), "'soon' is no time"),
        (("send", "*", "x", "--wait"), "--wait needs a recipient or a group"),
        (("cancel", "thread", "1"), "'thread' is not one of"),
        (("answer", "x"), "'x' is no whole number"),
    ],
)
def test_a_wrong_line_is_one_sentence(
    post: HiveOnDisk, words: tuple[str, ...], sentence: str
) -> None:
    done = post.as_participant("ann", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def waiting(hive: HiveOnDisk, *words: str) -> subprocess.Popen[str]:
    """Begin `send --wait` as ann."""
    return subprocess.Popen(
        [PROGRAMS / "hive-ag3nt", "send", *words],
        env={**hive.env, "HIVE_SOCKET": str(hive.socket_of("ann"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def taken(hive: HiveOnDisk, name: str) -> str:
    """Receive the next message of a participant and return its id."""
    line = eventually(lambda: by(hive, name, "recv", "--json"), what=f"mail of {name}")
    return str(json.loads(line)["id"])


def test_send_waits_for_the_answer_which_stays_in_the_inbox(post: HiveOnDisk) -> None:
    sent = waiting(post, "ben", "how far?", "--wait")
    by(post, "ben", "send", "ann", "half\nway", "--reply-to", taken(post, "ben"))
    out, err = sent.communicate(timeout=20)
    assert (sent.returncode, out) == (0, "half\nway\n")
    assert err.startswith("hive-ag3nt: waiting for an answer of message ")
    assert err.endswith(": 'ben' is away: nothing is connected that receives its mail\n")
    assert err.count("\n") == 1, "it is said once"
    assert "half" in by(post, "ann", "recv"), "it is unread"


def test_send_to_a_group_prints_each_answer(post: HiveOnDisk) -> None:
    post.ok("group", "add", "team", "ben", "cat")
    sent = waiting(post, "@team", "how far?", "--wait=20", "--json")
    for name in ("cat", "ben"):
        by(post, name, "send", "ann", f"I am {name}", "--reply-to", taken(post, name))
    out, err = sent.communicate(timeout=20)
    assert sent.returncode == 0
    assert all("is away" in line for line in err.splitlines())
    found = [json.loads(line) for line in out.splitlines()]
    assert {row["answer"]["body"] for row in found} == {"I am ben", "I am cat"}
    assert len({row["id"] for row in found}) == 1
    post.ok("group", "remove", "team", "ben", "cat")


def test_a_wait_ends_with_the_message_or_in_time(post: HiveOnDisk) -> None:
    late = post.as_participant("ann", "send", "ben", "x", "--wait", "0.2")
    assert (late.returncode, late.stdout) == (6, "")
    assert "no answer of ben came within 0.2 s; a later answer comes to your inbox" in late.stderr
    sent = waiting(post, "ben", "y", "--wait", "20")
    [number] = eventually(
        lambda: [row["id"] for row in post.json("inbox", "ben") if row["body"] == "y"]
    )
    post.ok("discard", str(number))
    out, err = sent.communicate(timeout=20)
    assert (sent.returncode, out) == (8, "")
    assert f"message {number} gets no answer: it has expired" in err
