"""Errors for operators, agents and embedders, with their wire codes and exit statuses.

Every error has a sentence that says what happened and what to do. Its class alone determines the
wire code and the exit status of the command-line programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Values of the `code` field of an error response."""

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
    UNANSWERED = "unanswered"
    CURSOR_TOO_OLD = "cursor_too_old"
    FAILED = "failed"


class ExitStatus(IntEnum):
    """Exit statuses of `hive-c0re` and `hive-ag3nt`, stable for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_DAEMON = 3
    UNKNOWN_NAME = 4
    REFUSED = 5
    TIMED_OUT = 6
    CONFIG = 7
    UNANSWERED = 8
    WAITING = 9


# The numbers of SIGINT and SIGPIPE on Linux: the module `signal` takes long to import.
INTERRUPTED = 128 + 2
"""Exit status after Ctrl-C, as a shell reports a program that the signal ended."""

BROKEN_PIPE = 128 + 13
"""Exit status when the reader of the output has closed it, as after `… | head -1`."""


class HiveError(Exception):
    """A refusal or failure, with a sentence for the person who has to act."""

    code = ErrorCode.FAILED
    exit_status = ExitStatus.FAILED

    @property
    def facts(self) -> Mapping[str, int | None]:
        """Further fields of the error response, for programs."""
        return {}


class BadRequestError(HiveError):
    """The request itself is wrong: a malformed line, an unknown field, a value out of range."""

    code = ErrorCode.BAD_REQUEST
    exit_status = ExitStatus.USAGE


class ConfigError(BadRequestError):
    """`hive.toml` or an agent's manifest cannot be used as written."""

    exit_status = ExitStatus.CONFIG


class UnknownNameError(HiveError):
    """There is no participant of that name."""

    code = ErrorCode.UNKNOWN_NAME
    exit_status = ExitStatus.UNKNOWN_NAME


class NotFoundError(HiveError):
    """There is no message, question or other object of that number."""

    code = ErrorCode.NOT_FOUND
    exit_status = ExitStatus.UNKNOWN_NAME


class ConflictError(HiveError):
    """The request conflicts with the current state: the name is taken, the agent runs already."""

    code = ErrorCode.CONFLICT
    exit_status = ExitStatus.REFUSED


class NotAllowedError(HiveError):
    """The caller may not do this, such as start a peer or act for the operator."""

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
    """A body or a line is over its limit; nothing was stored or truncated."""

    code = ErrorCode.TOO_LARGE
    exit_status = ExitStatus.REFUSED


class StaleLeaseError(HiveError):
    """An ack or nack named a message that is not leased by this session (any more)."""

    code = ErrorCode.STALE_LEASE
    exit_status = ExitStatus.REFUSED


class UnavailableError(HiveError):
    """The daemon or its store cannot serve this now; the same request may succeed later."""

    code = ErrorCode.UNAVAILABLE
    exit_status = ExitStatus.NO_DAEMON


class UnreachableError(UnavailableError):
    """Nobody answers at the daemon's socket. A client raises it; it is not on the wire."""


class TimedOutError(HiveError):
    """The request was accepted but not completed in time; check its outcome before repeating it."""

    code = ErrorCode.TIMED_OUT
    exit_status = ExitStatus.TIMED_OUT


class UnansweredError(HiveError):
    """A message has ended without the answer that was waited for; the sentence says why."""

    code = ErrorCode.UNANSWERED
    exit_status = ExitStatus.UNANSWERED


class CursorTooOldError(HiveError):
    """Retention deleted some of what came after a cursor.

    Attributes:
        oldest: The lowest number that is still complete from there on; None in a client.
    """

    code = ErrorCode.CURSOR_TOO_OLD
    exit_status = ExitStatus.REFUSED

    def __init__(self, sentence: str, oldest: int | None = None) -> None:
        super().__init__(sentence)
        self.oldest = oldest

    @property
    def facts(self) -> Mapping[str, int | None]:
        """The field `oldest`."""
        return {"oldest": self.oldest}

    @classmethod
    def behind(cls, cursor: int, oldest: int) -> CursorTooOldError:
        """Return the error of a reader at `cursor`."""
        return cls(
            f"what came after {cursor} is partly gone by age, the oldest that is left is {oldest}; "
            f"go on after {oldest - 1} and take the gap into account",
            oldest,
        )


class FailedError(HiveError):
    """An operation failed; the sentence says why."""


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
        UnansweredError,
        CursorTooOldError,
    )
}


def from_wire(code: str | None, sentence: str) -> HiveError:
    """Return the error of a response from its `code` and `error` fields.

    An unknown code becomes a `FailedError`.
    """
    return BY_CODE.get(code or "", FailedError)(sentence)
