"""A client of the chaos run, as a program of its own that may be stopped and killed at any time.

python -m tests.chaos.client send|receive SOCKET PROCESS HISTORY INBOX...
"""

import sys
import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from hive.client.blocking import BlockingClient
from hive.errors import HiveError, TimedOutError, UnavailableError
from hive.testing.history import Phase, Recorder, Verb

UNKNOWN = (UnavailableError, TimedOutError)
"""Errors after which the request may or may not have been carried out."""

pause = threading.Event().wait


def send(socket: Path, recorder: Recorder, inboxes: list[str]) -> None:
    """Send without end, to one inbox after the other."""
    for number in count():
        inbox = inboxes[number % len(inboxes)]
        body = f"{recorder.process}/{number}"
        begun = recorder.invoke(Verb.SEND, inbox, body=body)
        try:
            with BlockingClient(socket, 10) as connection:
                answer = connection.call({"cmd": "send", "to": inbox, "body": body}, 10)
        except HiveError as error:
            recorder.end(begun, Phase.INFO if isinstance(error, UNKNOWN) else Phase.FAIL)
            pause(0.02)
        else:
            recorder.end(begun, Phase.OK, id=answer["id"])
            pause(0.002)


def receive(socket: Path, recorder: Recorder, inbox: str) -> None:
    """Receive without end; sometimes drop the connection while messages are leased."""
    random = Random(recorder.process)
    while True:
        try:
            with BlockingClient(socket, 10) as connection:
                while take(connection, recorder, inbox, random.random() > 0.1):
                    pass
        except HiveError:
            pause(0.02)


def take(connection: BlockingClient, recorder: Recorder, inbox: str, acks: bool) -> bool:
    """Receive once; return whether the messages were acked."""
    begun = recorder.invoke(Verb.RECV, inbox)
    messages = connection.call({"cmd": "recv", "max": 16, "wait_seconds": 0.5}, 10)["messages"]
    for message in messages:
        recorder.end(begun, Phase.OK, **facts(message))
    for message in messages if acks else ():
        ack(connection, recorder, inbox, message)
    return acks


def ack(
    connection: BlockingClient, recorder: Recorder, inbox: str, message: Mapping[str, Any]
) -> None:
    """Ack one message."""
    begun = recorder.invoke(Verb.ACK, inbox, body=message["body"], id=message["id"])
    try:
        connection.call({"cmd": "ack", "ids": [message["id"]]}, 10)
    except HiveError as error:
        recorder.end(begun, Phase.INFO if isinstance(error, UNKNOWN) else Phase.FAIL)
        raise
    recorder.end(begun, Phase.OK)


def facts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a delivery that the history records."""
    return {name: message[name] for name in ("body", "id", "attempt", "redelivered")}


def main() -> None:
    """Run the client of the command line until it is ended."""
    verb, socket, process, history, *inboxes = sys.argv[1:]
    with Path(history).open("a") as file:
        recorder = Recorder(file, process)
        if verb == "send":
            send(Path(socket), recorder, inboxes)
        else:
            receive(Path(socket), recorder, inboxes[0])


if __name__ == "__main__":
    main()
