"""The closed sets of words in requests, responses and events: one enum for each."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Role of a client, as `hello` announces it; only harnesses count as presence."""

    HARNESS = "harness"
    TOOL = "tool"


class Capability(StrEnum):
    """What a hive can carry out only where the machine has the program for it."""

    PROPOSALS = "proposals"
    """Commits and first repositories of agents: needs git."""
    INPUTS = "inputs"
    """Newer inputs of NixOS systems: needs git, Nix and the runtime `nixos-container`."""


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


class StoredState(StrEnum):
    """State of a message that the operator may discard.

    STORED waits to be delivered, DEFERRED for its time; LEASED was delivered and is not acked;
    PARKED is held by the loop guard; DEAD is a dead letter.
    """

    STORED = "stored"
    DEFERRED = "deferred"
    PARKED = "parked"
    LEASED = "leased"
    DEAD = "dead"


class CancelKind(StrEnum):
    """Kind of item that `cancel` can withdraw."""

    REMINDER = "reminder"
    QUESTION = "question"
    MESSAGE = "message"
    APPROVAL = "approval"
    SCHEDULE = "schedule"


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
    """Begin no turn until `resume`; `reason` says whether the operator paused it, so that the inbox
    delivers nothing either, is attached to its conversation, or the machine is under pressure."""
    RESUME = "resume"
    """Turns may begin, from `at` on if it has one."""
    CANCEL = "cancel"
    """Interrupt the current turn."""
    NEW_SESSION = "new_session"
    """Begin the next turn in a new session, without the conversation so far."""
    MODEL = "model"
    """From the next turn on, use `model` and `effort`; without one, that of the configuration."""
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
    ATTACHED = "attached"
    DETACHED = "detached"
    SHELL_OPENED = "shell_opened"
    FROZEN = "frozen"
    THAWED = "thawed"
    PEER_REGISTERED = "peer_registered"
    PEER_UNREGISTERED = "peer_unregistered"
    PEER_ADOPTED = "peer_adopted"
    RELEASED = "released"
    RENAMED = "renamed"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STRAY = "stray"
    QUEUED = "queued"
    PRESSURE = "pressure"
    PRESSURE_ENDED = "pressure_ended"
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
    VERDICT = "verdict"
    VERDICT_ENDED = "verdict_ended"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_APPROVED = "approval_approved"
    APPROVAL_HELD = "approval_held"
    APPROVAL_RESOLVED = "approval_resolved"
    SCHEDULED = "scheduled"
    SCHEDULE_DUE = "schedule_due"
    SCHEDULE_ENDED = "schedule_ended"
    DEPLOY = "deploy"
    RELOADED = "reloaded"
    STORE_FAILED = "store_failed"
    STORE_RECOVERED = "store_recovered"
    DISK_SHORT = "disk_short"
    DISK_RECOVERED = "disk_recovered"
    EVENTS_LOST = "events_lost"
    DISCARDED = "discarded"
    NOTICE_DROPPED = "notice_dropped"
    NOTICE_FAILED = "notice_failed"
