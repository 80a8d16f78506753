"""Both ends of a lane with our wire format, JSON lines over unix sockets."""

from __future__ import annotations

import msgspec

from benchmarks.delivery.systems.base import BODY, TAKE
from benchmarks.delivery.systems.wire import ReceiverEnd, SenderEnd

WAIT = 120.0
"""Seconds of one long poll."""


class _Row(msgspec.Struct):
    id: int


class _Answer(msgspec.Struct):
    ok: bool
    error: str = ""
    messages: list[_Row] = []


_decode = msgspec.json.Decoder(_Answer).decode


class LineSender(SenderEnd):
    """Sends one request again and again.

    Args:
        request: Its fields.
    """

    def __init__(self, **request: str) -> None:
        super().__init__(msgspec.json.encode(request) + b"\n")
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        """Take the answer."""
        self._pending += data
        if self._pending.endswith(b"\n"):
            _checked(self._pending)
            self._pending = b""
            self.confirm()


def sender_to(inbox: str) -> LineSender:
    """Return what sends to one inbox."""
    return LineSender(cmd="send", to=inbox, body=BODY)


class LineReceiver(ReceiverEnd):
    """Acks in the request that asks for more."""

    def __init__(self) -> None:
        self._pending = b""

    def ask(self) -> None:
        """Ask for the first messages."""
        self.transport.write(_recv([]))

    def data_received(self, data: bytes) -> None:
        """Take messages."""
        self._pending += data
        if not self._pending.endswith(b"\n"):
            return
        answer, self._pending = _checked(self._pending), b""
        self.transport.write(_recv([row.id for row in answer.messages]))
        if answer.messages:
            self.delivered(len(answer.messages))


def _recv(acked: list[int]) -> bytes:
    return b'{"cmd":"recv","max":%d,"wait_seconds":%g,"ack":%s}\n' % (
        TAKE,
        WAIT,
        msgspec.json.encode(acked),
    )


def _checked(line: bytes) -> _Answer:
    answer = _decode(line)
    if not answer.ok:
        raise RuntimeError(f"the server refused a request: {answer.error}")
    return answer
