"""The closed sets of words that requests and responses use: one enum for each."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What speaks on a connection; only harnesses count as presence."""

    HARNESS = "harness"
    TOOL = "tool"


class Priority(StrEnum):
    """Which of the messages of an inbox go first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class NackMode(StrEnum):
    """How a leased message is given back."""

    DEFER = "defer"
    """Not now: burns no attempt."""
    FAIL = "fail"
    """It was tried and failed: burns an attempt."""
    REJECT = "reject"
    """Never deliver it again: it becomes a dead letter."""


class OnExpiry(StrEnum):
    """What becomes of a question that nobody has answered in time."""

    DENY = "deny"
    """It is over: the asker gets the answer `[expired]`."""
    HOLD = "hold"
    """It stays open: the asker and the operator are told once."""
    ESCALATE = "escalate"
    """It goes to the operator; if it was there already, it is held."""


class LooseEnd(StrEnum):
    """What `cancel` can take back."""

    REMINDER = "reminder"
    QUESTION = "question"
    MESSAGE = "message"


class ActivityState(StrEnum):
    """What a harness says that its agent does."""

    IDLE = "idle"
    WORKING = "working"
    WAITING = "waiting"
    COMPACTING = "compacting"
    LIMITED = "limited"
    NEEDS_LOGIN = "needs_login"
    FAILED = "failed"
    PAUSED = "paused"


class TurnOutcome(StrEnum):
    """How a turn ended."""

    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"
    CANCELLED = "cancelled"
    LIMITED = "limited"


class LiveKind(StrEnum):
    """What a live event shows."""

    TEXT = "text"
    TOOL = "tool"
    TOOL_RESULT = "tool_result"
    NOTE = "note"


class OrderKind(StrEnum):
    """What the hive tells a harness to do, or to know."""

    PAUSE = "pause"
    """Begin no turn until `resume`; the inbox is held back, too."""
    RESUME = "resume"
    """Turns may begin."""
    CANCEL = "cancel"
    """Interrupt the turn that is under way."""
    NEW_SESSION = "new_session"
    """Begin the next turn without what was said before."""
    LIMITED = "limited"
    """The account is used up: begin no turn before `at`."""
    UNLIMITED = "unlimited"
    """The account can be used again, from `at` on."""
    RESTARTED = "restarted"
    """The agent was restarted at `at`; `reason` says why, and whether somebody has written."""


class EventKind(StrEnum):
    """Everything that the event log can hold."""

    DAEMON_STARTED = "daemon_started"
    DAEMON_STOPPING = "daemon_stopping"
    SPAWNED = "spawned"
    STARTED = "started"
    ADOPTED = "adopted"
    ENDED = "ended"
    REBOOTED = "rebooted"
    EXTERNAL_RESTART = "external_restart"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"
    DESTROYED = "destroyed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PEER_REGISTERED = "peer_registered"
    PEER_UNREGISTERED = "peer_unregistered"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STRAY = "stray"
    TROUBLE = "trouble"
    DEAD_LETTER = "dead_letter"
    EXPIRED = "expired"
    LOOP_TRIPPED = "loop_tripped"
    LOOP_RESET = "loop_reset"
    QUESTION_EXPIRED = "question_expired"
    QUESTION_HELD = "question_held"
    QUESTION_ESCALATED = "question_escalated"
    QUESTION_CANCELLED = "question_cancelled"
    LIMITED = "limited"
    UNLIMITED = "unlimited"
    NEEDS_LOGIN = "needs_login"
    LOGGED_IN = "logged_in"
    STORE_FAILED = "store_failed"
    STORE_RECOVERED = "store_recovered"
    EVENTS_LOST = "events_lost"
