"""The errors an operator, an agent or an embedder may meet, and their names on the wire.

Every error carries a sentence that says what happened and what to do. The class decides the wire
code and the exit status of the command-line programs; nothing else does.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """What kind of refusal a response carries in its `code` field."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_NAME = "unknown_name"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    NOT_ALLOWED = "not_allowed"
    FULL = "full"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    STALE_LEASE = "stale_lease"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed_out"
    CURSOR_TOO_OLD = "cursor_too_old"
    FAILED = "failed"


class ExitStatus(IntEnum):
    """Exit statuses of `hive-c0re` and `hive-ag3nt`, stable so that scripts can rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_DAEMON = 3
    UNKNOWN_NAME = 4
    REFUSED = 5
    TIMED_OUT = 6
    CONFIG = 7


INTERRUPTED = 128 + signal.SIGINT
"""Exit status after Ctrl-C, as a shell reports a program that the signal ended."""


class HiveError(Exception):
    """A refusal or failure with a sentence for the person who has to act on it."""

    code = ErrorCode.FAILED
    exit_status = ExitStatus.FAILED

    @property
    def facts(self) -> Mapping[str, int | None]:
        """What a program needs to know beyond the code: further fields of the response."""
        return {}


class BadRequestError(HiveError):
    """The request itself is wrong: a malformed line, an unknown field, a value out of range."""

    code = ErrorCode.BAD_REQUEST
    exit_status = ExitStatus.USAGE


class ConfigError(BadRequestError):
    """`hive.toml` or an agent's manifest cannot be used as written."""

    exit_status = ExitStatus.CONFIG


class UnknownNameError(HiveError):
    """No participant of that name is known."""

    code = ErrorCode.UNKNOWN_NAME
    exit_status = ExitStatus.UNKNOWN_NAME


class NotFoundError(HiveError):
    """The message, approval or other numbered thing does not exist."""

    code = ErrorCode.NOT_FOUND
    exit_status = ExitStatus.UNKNOWN_NAME


class ConflictError(HiveError):
    """The request contradicts the present state: the name is taken, the agent already runs."""

    code = ErrorCode.CONFLICT
    exit_status = ExitStatus.REFUSED


class NotAllowedError(HiveError):
    """The caller may not do this: a peer's lifecycle, operator authority, itself."""

    code = ErrorCode.NOT_ALLOWED
    exit_status = ExitStatus.REFUSED


class InboxFullError(HiveError):
    """The recipient's inbox is at its limit; nothing was stored."""

    code = ErrorCode.FULL
    exit_status = ExitStatus.REFUSED


class RateLimitedError(HiveError):
    """The sender has sent too much within a minute; nothing was stored."""

    code = ErrorCode.RATE_LIMITED
    exit_status = ExitStatus.REFUSED


class TooLargeError(HiveError):
    """A body or a line is over its limit; nothing was stored and nothing was cut."""

    code = ErrorCode.TOO_LARGE
    exit_status = ExitStatus.REFUSED


class StaleLeaseError(HiveError):
    """An ack or nack named a message that this session does not hold (any more)."""

    code = ErrorCode.STALE_LEASE
    exit_status = ExitStatus.REFUSED


class UnavailableError(HiveError):
    """The daemon or its store cannot serve this now; the same request may succeed later."""

    code = ErrorCode.UNAVAILABLE
    exit_status = ExitStatus.NO_DAEMON


class TimedOutError(HiveError):
    """The request was taken but its outcome did not come in time; look before repeating it."""

    code = ErrorCode.TIMED_OUT
    exit_status = ExitStatus.TIMED_OUT


class CursorTooOldError(HiveError):
    """Some of what came after a cursor has gone by age.

    Attributes:
        oldest: The number from which on everything is there; None on a client's side.
    """

    code = ErrorCode.CURSOR_TOO_OLD
    exit_status = ExitStatus.REFUSED

    def __init__(self, sentence: str, oldest: int | None = None) -> None:
        super().__init__(sentence)
        self.oldest = oldest

    @property
    def facts(self) -> Mapping[str, int | None]:
        """The number, as a field of the response."""
        return {"oldest": self.oldest}

    @classmethod
    def behind(cls, cursor: int, oldest: int) -> CursorTooOldError:
        """Return the error of a reader who would go on after `cursor`."""
        return cls(
            f"what came after {cursor} is partly gone by age, the oldest that is left is {oldest}; "
            f"go on after {oldest - 1} and take the gap into account",
            oldest,
        )


class FailedError(HiveError):
    """An operation was tried and failed; the sentence says why."""


BY_CODE: dict[str, type[HiveError]] = {
    error.code.value: error
    for error in (
        FailedError,
        BadRequestError,
        UnknownNameError,
        NotFoundError,
        ConflictError,
        NotAllowedError,
        InboxFullError,
        RateLimitedError,
        TooLargeError,
        StaleLeaseError,
        UnavailableError,
        TimedOutError,
        CursorTooOldError,
    )
}


def from_wire(code: str | None, sentence: str) -> HiveError:
    """Rebuild the error of a response from its `code` and `error` fields.

    A code that this version does not know becomes a plain `FailedError`.
    """
    return BY_CODE.get(code or "", FailedError)(sentence)
