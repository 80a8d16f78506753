"""The attacks: what a hostile participant does on each of its connections.

A script is a generator for one connection. It yields bytes to be sent, and gets the answers that
arrived meanwhile; it goes on when they are sent. `READ` goes on at the next answer, `HOLD` keeps
the connection open, `CLOSE` closes all connections of the attack, which then begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from enum import Enum, auto
from functools import cache
from itertools import count
from random import Random
from typing import Any

from attrs import frozen

from hive.wire.base import LINE_MAX, Request
from tests.adversary.values import (
    AGENT_VERBS,
    CONTROL,
    FRESH,
    MANAGER_VERBS,
    lines,
    stores_text,
    with_fresh,
)


class Step(Enum):
    """What a script asks for instead of bytes to be sent."""

    READ = auto()
    HOLD = auto()
    CLOSE = auto()


READ, HOLD, CLOSE = Step.READ, Step.HOLD, Step.CLOSE

Answers = list[dict[str, Any]]
Script = Generator[bytes | Step, Answers, None]

HELLO = b'{"cmd":"hello","role":"harness"}\n'

CONNECTIONS = 64
"""As many connections as one socket of a participant has at most by default."""

CHUNK = 128 << 10
"""Bytes that a script sends at once when it repeats short lines."""

BODY = json.dumps(CONTROL * (64 << 10)).encode()
"""The longest body, six bytes of each character on the wire."""

CENTURIES = 315_360_000
"""Seconds of ten years, the longest delay."""


@frozen
class Attack:
    """One attack.

    Attributes:
        name: Its name in the table.
        script: Makes the script of a connection, of its number.
        about: What it does, in a few words.
        connections: How many connections it keeps open.
        reads: Whether the connection of a number reads its answers.
        manager: Whether it is the manager that attacks, on its own socket.
        stores_text: Whether it stores texts of the size of a message.
        is_watched: Whether an operator has all streams open, in terminals that are stopped.
    """

    name: str
    script: Callable[[int], Script]
    about: str = ""
    connections: int = CONNECTIONS
    reads: Callable[[int], bool] = lambda number: True
    manager: bool = False
    stores_text: bool = False
    is_watched: bool = False


def half(number: int) -> bool:
    """Whether a connection reads, if every second one does."""
    return number % 2 == 0


def never(number: int) -> bool:
    """Whether a connection reads, if none does."""
    return False


_numbers = count()


def repeated(line: bytes) -> bytes:
    """Return a line as often as it fits into a chunk, new each time where it has `FRESH`."""
    times = max(1, CHUNK // len(line))
    if FRESH.encode() not in line:
        return line * times
    return b"".join(with_fresh(line, next(_numbers)) for _ in range(times))


@cache
def lines_for(kind: type[Request], seed: int) -> list[bytes]:
    """Return lines of a verb, the same for the same seed."""
    return lines(kind, Random(seed))


def encoded(cmd: str, **fields: Any) -> bytes:
    """Return a request line."""
    return json.dumps({"cmd": cmd, **fields}, separators=(",", ":")).encode() + b"\n"


def flood(kinds: tuple[type[Request], ...]) -> Callable[[int], Script]:
    """Return scripts that pipeline a verb: the shortest line, or all kinds of long ones.

    Of several verbs, each connection has one.
    """

    def script(number: int) -> Script:
        chosen = lines_for(kinds[number // 4 % len(kinds)], number % 8)
        yield HELLO
        while True:
            if number % 4 < 2:
                yield repeated(chosen[0])
            else:
                for line in chosen[1:]:
                    yield with_fresh(line, next(_numbers))

    return script


def verb(kind: type[Request]) -> Attack:
    """Return the attack with one verb."""
    return Attack(
        str(kind.__struct_config__.tag),
        flood((kind,)),
        reads=half,
        manager=kind in MANAGER_VERBS,
        stores_text=stores_text(kind),
    )


def repeat(*requests: bytes, first: bytes = HELLO) -> Callable[[int], Script]:
    """Return scripts that send the same requests again and again."""

    def script(number: int) -> Script:
        yield first
        while True:
            for request in requests:
                yield repeated(request)

    return script


def messages(answers: Answers) -> Iterator[dict[str, Any]]:
    """Yield the messages in answers to `recv`."""
    for answer in answers:
        yield from answer.get("messages", ())


def unfinished_lines(number: int) -> Script:
    """Send a line of the greatest length, but its newline."""
    yield b'{"cmd":"send","to":"ben","body":"' + b"x" * (LINE_MAX - 100)
    yield HOLD


def large_lines(number: int) -> Script:
    """Send requests of a megabyte, each with a `req` of that length."""
    while True:
        yield encoded("recv", wait_seconds=180, req="x" * (LINE_MAX - 100))


def malformed(number: int) -> Script:
    """Send what is decoded twice, for an error sentence with a suggestion."""
    nested = b"[" * 900 + b"]" * 900
    wrong = (
        b'{"cmd":"sned","to":"ben","body":"x"}\n',
        b'{"cmd":"send","to":"ben","body":"x","bdoy":' + nested + b"}\n",
        b'{"cmd":"' + b"s" * 60_000 + b'"}\n',
        b"\n",
        b'{"cmd":"whoami","req":"\\ud800"}\n',
        b'{"cmd":"recv","max":' + b"9" * 4000 + b"}\n",
    )
    while True:
        yield repeated(wrong[number % len(wrong)])


def hold_connection(number: int) -> Script:
    """Connect, and stay."""
    yield b'{"cmd":"whoami"}\n'
    yield HOLD


def flapping(number: int) -> Script:
    """Connect, say hello, leave."""
    yield HELLO
    yield CLOSE


def parked_urgent(number: int) -> Script:
    """Park receivers for urgent mail, then send oneself mail that is not urgent."""
    yield encoded("recv", wait_seconds=180, urgent=True) * 1000
    while True:
        if number == 0:
            yield encoded("send", to="mallory", body="x") * 10
        yield READ


def closed_with_parked(number: int) -> Script:
    """Park receivers on all connections and close them at once."""
    yield encoded("recv", wait_seconds=180) * 1000
    yield b'{"cmd":"whoami"}\n'
    yield READ
    yield CLOSE


def asked_then_closed(number: int) -> Script:
    """Ask for as many large answers as may be pending, and leave."""
    yield encoded("send", to="mallory", body="x")
    yield (encoded("recent", max=200), encoded("receipts", ids=[1]))[number % 2] * 1000
    yield CLOSE


def all_verbs_then_closed(number: int) -> Script:
    """Send all that one verb may have under way, and leave."""
    chosen = lines_for(AGENT_VERBS[number % len(AGENT_VERBS)], number % 8)
    yield HELLO
    for _ in range(8):
        yield repeated(chosen[0])
    yield with_fresh(chosen[-1], next(_numbers))
    yield CLOSE


def new_queues(number: int) -> Script:
    """Send to work queues and receive from them, a new one each time."""
    send = encoded("send", to="queue:q" + FRESH, body="x")
    recv = encoded("recv", queue="q" + FRESH, wait_seconds=180 * (number % 2))
    while True:
        yield b"".join(with_fresh(send + recv, next(_numbers)) for _ in range(500))


def defer_loop(number: int) -> Script:
    """Receive own messages and return each with the longest reason, without end."""
    yield encoded("send", to="mallory", body="x") * 2
    while True:
        answers = yield encoded("recv", max=32)
        while not answers:
            answers = yield READ
        for message in messages(answers):
            yield encoded("nack", id=message["id"], mode="defer", reason=CONTROL * 4096)


def repeated_receipts(number: int) -> Script:
    """Give messages many steps, and ask for their receipts again and again."""
    if number < 4:
        yield from defer_loop(number)
    while True:
        yield encoded("receipts", ids=[1, 2] * 50) * 100


def full_inbox(number: int) -> Script:
    """Fill the own inbox with texts that grow on the wire, and ask for all of it."""
    send = b'{"cmd":"send","to":"mallory","body":' + BODY + b"}\n"
    while True:
        if number == 0:
            yield send
        else:
            yield encoded("recent", max=200, unread=True) * 1000


def deferred_mail(number: int) -> Script:
    """Put mail into the inbox of a neighbour that nobody gets for ten years."""
    to = ("ben", "ann", "operator", "hm1nd")[number % 4]
    start = f'{{"cmd":"send","to":"{to}","delay_seconds":{CENTURIES},"body":'.encode()
    while True:
        yield start + BODY + b"}\n"


def operator_mail(number: int) -> Script:
    """Fill the operator's inbox: mail, questions, and what expires there."""
    while True:
        yield encoded("send", to="operator", body="x" * 60_000, priority="high", ttl_seconds=0.01)
        yield encoded("ask", question="x" * 60_000, ttl_seconds=0.01, on_expiry="hold")
        yield encoded("ask", question="x", to="mallory", ttl_seconds=0.01, on_expiry="escalate")


def report_toggles(number: int) -> Script:
    """Report that a login is needed, and that it is not, many times a second."""
    needed = encoded("report", state="needs_login", since=1.0, about=FRESH + "x" * 4000)
    idle = encoded("report", state="idle", since=1.0)
    yield HELLO
    while True:
        yield b"".join(with_fresh(needed, next(_numbers)) + idle for _ in range(20))


def new_accounts(number: int) -> Script:
    """Report that accounts are used up, a new one each time."""
    yield HELLO
    report = encoded("report", state="idle", since=1.0, account=FRESH)
    limited = encoded("limited", account=FRESH, until=4e9, reason="x" * 4000)
    while True:
        numbers = [next(_numbers) for _ in range(20)]
        yield b"".join(with_fresh(report, n) + with_fresh(limited, n) for n in numbers)


def turns_with_tools(number: int) -> Script:
    """Record turns with as many tools, of names as long, as may be."""
    tools = {f"{n:03}{FRESH}".ljust(200, CONTROL): 2**53 for n in range(200)}
    line = encoded(
        "turn", started_at=1.0, ended_at=2e9, wake="x", outcome="done", note="x" * 4096, tools=tools
    )
    yield HELLO
    for each in count(number * 1_000_000):
        yield with_fresh(line, each).replace(b'"started_at":1.0', b'"started_at":%d' % each)


NAMED = (
    Attack("unfinished lines", unfinished_lines, "1 MiB without a newline", connections=200),
    Attack("large lines", large_lines, "1 MiB of `req`", reads=half),
    Attack("malformed lines", malformed, "errors with suggestions", reads=half),
    Attack("1200 connections", hold_connection, connections=1200),
    Attack("flapping", flapping, "connect, hello, close"),
    Attack("parked urgent", parked_urgent, "64,000 parked `recv`, then sends to oneself"),
    Attack("closed with parked", closed_with_parked, "64,000 parked `recv` closed at once"),
    Attack("asked, then closed", asked_then_closed, "64,000 answers that nobody waits for"),
    Attack("sent, then closed", all_verbs_then_closed, "all verbs, 1 MiB each, then closed"),
    Attack("new queues", new_queues, "`send` to queues and `recv` of them, new each time"),
    Attack("defer loop", defer_loop, "recv and nack, reasons of 24 KiB"),
    Attack("receipts of many steps", repeated_receipts, reads=half),
    Attack("recent of a full inbox", full_inbox, reads=lambda n: n == 0, stores_text=True),
    Attack("report toggles", report_toggles, "needs_login and idle"),
    Attack("new accounts", new_accounts, "`limited` of an account that nobody has"),
    Attack("turns with tools", turns_with_tools, "200 tool names of 1.2 KiB"),
    Attack("deferred mail", deferred_mail, "64 KiB due in ten years", stores_text=True),
    Attack("operator mail", operator_mail, "mail, questions, expiries", stores_text=True),
    Attack(
        "dedupe keys",
        repeat(encoded("send", to="mallory", body="", dedupe_key=FRESH + "k" * 192, ttl_seconds=1)),
    ),
    Attack(
        "live, unread by the operator",
        repeat(encoded("live", kind="text", text=CONTROL * 8192)),
        is_watched=True,
    ),
    Attack(
        "status, unread by the operator",
        repeat(
            encoded("set_status", text=FRESH + CONTROL * 192),
            encoded("report", state="working", since=1.0, about=FRESH + CONTROL * 4000),
        ),
        is_watched=True,
    ),
    Attack("flapping, unread by the operator", flapping, is_watched=True),
)
"""Attacks that need more than one verb, or more than a connection that is kept."""

MIXED = (
    Attack("all verbs", flood(AGENT_VERBS), connections=108, stores_text=True),
    Attack("all verbs, unread", flood(AGENT_VERBS), reads=never, stores_text=True),
    Attack("manager's verbs", flood(MANAGER_VERBS), reads=half, manager=True),
)
"""All verbs of a socket at once, each on connections of its own."""

VERBS = tuple(verb(kind) for kind in (*AGENT_VERBS, *MANAGER_VERBS))

ATTACKS = {attack.name: attack for attack in (*VERBS, *NAMED, *MIXED)}
