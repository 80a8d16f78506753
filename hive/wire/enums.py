"""The closed sets of words in requests, responses and events: one enum for each."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Role of a client, as `hello` announces it; only harnesses count as presence."""

    HARNESS = "harness"
    TOOL = "tool"


class Priority(StrEnum):
    """Priority of a message; an inbox delivers higher priorities first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class NackMode(StrEnum):
    """Disposition of a leased message that is not acked."""

    DEFER = "defer"
    """Deliver it again; the attempt is not counted."""
    FAIL = "fail"
    """Deliver it again; the attempt is counted."""
    REJECT = "reject"
    """Make it a dead letter."""


class OnExpiry(StrEnum):
    """What happens to a question without an answer in time."""

    DENY = "deny"
    """It expires: the asker gets the answer `[expired]`."""
    HOLD = "hold"
    """It stays open; the asker and the operator are notified once."""
    ESCALATE = "escalate"
    """It goes to the operator; if it is to the operator already, it is held."""


class CancelKind(StrEnum):
    """Kind of item that `cancel` can withdraw."""

    REMINDER = "reminder"
    QUESTION = "question"
    MESSAGE = "message"


class ActivityState(StrEnum):
    """Activity of an agent, as its harness reports it."""

    IDLE = "idle"
    WORKING = "working"
    WAITING = "waiting"
    COMPACTING = "compacting"
    LIMITED = "limited"
    NEEDS_LOGIN = "needs_login"
    FAILED = "failed"
    PAUSED = "paused"


class TurnOutcome(StrEnum):
    """Outcome of a turn."""

    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"
    CANCELLED = "cancelled"
    LIMITED = "limited"


class LiveKind(StrEnum):
    """Kind of a live event: text of the model, a tool call, its result, a note of the harness."""

    TEXT = "text"
    TOOL = "tool"
    TOOL_RESULT = "tool_result"
    NOTE = "note"


class OrderKind(StrEnum):
    """Kind of a control order from the hive to a harness."""

    PAUSE = "pause"
    """Begin no turn until `resume`; the inbox delivers nothing either."""
    RESUME = "resume"
    """Turns may begin."""
    CANCEL = "cancel"
    """Interrupt the current turn."""
    NEW_SESSION = "new_session"
    """Begin the next turn in a new session, without the conversation so far."""
    LIMITED = "limited"
    """The account is used up until `until`: begin no turn before `at`."""
    UNLIMITED = "unlimited"
    """The account can be used again: turns may begin from `at` on."""
    RESTARTED = "restarted"
    """The agent was restarted at `at`; `reason` has the cause and whether mail is waiting."""


class EventKind(StrEnum):
    """Kind of an event in the event log."""

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
