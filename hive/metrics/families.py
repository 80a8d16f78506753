"""All metrics: names, types, meanings and labels; docs/metrics.md has a table made from them.

The names follow the conventions of Prometheus: base units, `_total` for what only grows. A label
has few values: names of participants, and words of closed sets. Nothing that a participant writes
is a label.
"""

from __future__ import annotations

from attrs import frozen

from hive.store.engine import COMMIT_BOUNDS
from hive.wire.metric_rows import MetricType

TURN_BOUNDS = (10.0, 60.0, 300.0, 1800.0)
"""Bounds of the histogram of turns, in seconds."""

LAG_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Bounds of the histogram of the loop's lag, in seconds."""

PARTICIPANT = "participant"
"""The label with the name of a participant."""


@frozen
class Family:
    """A metric.

    Attributes:
        name: Its name.
        type: Its type.
        help: What it says, in a sentence without its full stop.
        labels: Names of its labels.
        bounds: Bounds of the buckets of a histogram.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] | None = None


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(f"hyperhive_{name}", MetricType.GAUGE, text, labels)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"hyperhive_{name}_total", MetricType.COUNTER, text, labels)


def _histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Family:
    return Family(f"hyperhive_{name}", MetricType.HISTOGRAM, text, labels, bounds)


BUILD = _gauge("build_info", "Versions of the daemon; always 1", "version", "python", "sqlite")
STOPPING = _gauge("stopping", "Whether the daemon stops its agents")
LOOP_LAG = _histogram("loop_lag_seconds", "Delay of a timer of the event loop", LAG_BOUNDS)
EVENTS = _counter("events", "Events of the event log, by kind", "event")

PARTICIPANTS = _gauge("participants", "Participants by kind and state", "kind", "state")
STATE = _gauge(
    "participant_state", "Present state of a participant; always 1", PARTICIPANT, "kind", "state"
)
ACTIVITY = _gauge(
    "participant_activity", "Activity that a harness reports; always 1", PARTICIPANT, "activity"
)
CONNECTED = _gauge("participant_connected", "Whether a harness is connected", PARTICIPANT)
PAUSED = _gauge("participant_paused", "Whether the mail of a participant is paused", PARTICIPANT)
FROZEN = _gauge("participant_frozen", "Whether an agent is frozen by estop", PARTICIPANT)
LAST_SEEN = _gauge(
    "participant_last_seen_timestamp_seconds",
    "Unix time of the last connection of a participant or of its end",
    PARTICIPANT,
)
AGENT_STARTED = _gauge(
    "agent_start_time_seconds", "Unix time at which a running agent was started", PARTICIPANT
)
NEEDS_UPDATE = _gauge(
    "agent_needs_update", "Whether an agent runs with an older configuration", PARTICIPANT
)
RESTARTS = _counter(
    "agent_restarts",
    "Automatic restarts of an agent, by the cause of its exit",
    PARTICIPANT,
    "cause",
)

UNREAD = _gauge("mail_unread", "Messages that are not acked", PARTICIPANT)
LEASED = _gauge("mail_leased", "Messages that are delivered and not acked", PARTICIPANT)
MAIL_BYTES = _gauge("mail_bytes", "Bytes of the bodies of messages that are not acked", PARTICIPANT)
OLDEST = _gauge(
    "mail_oldest_seconds",
    "Age of the oldest message that is not acked, not deferred and not held",
    PARTICIPANT,
)
DEFERRED = _gauge("mail_deferred", "Deferred messages that a participant has sent", PARTICIPANT)
REMINDERS = _gauge("reminders", "Reminders of a participant that are not due", PARTICIPANT)
PARKED = _gauge("receivers_parked", "Receivers that wait for mail", PARTICIPANT)
SENT = _counter("messages_sent", "Copies of messages that a participant has sent", PARTICIPANT)
RECEIVED = _counter("messages_received", "Messages stored for a participant", PARTICIPANT)
DELIVERED = _counter("messages_delivered", "Deliveries, repeated ones included", PARTICIPANT)
ACKED = _counter("messages_acked", "Messages that their receiver has acked", PARTICIPANT)
EXPIRED = _counter(
    "messages_expired", "Messages that expired, were superseded or discarded", PARTICIPANT
)
DEAD = _counter("messages_dead", "Messages that became dead letters", PARTICIPANT)
DEAD_LETTERS = _gauge("dead_letters", "Dead letters in the store")
LOOPS = _gauge("loops", "Pairs of participants whose mail is held because they loop")
HELD = _gauge("mail_held", "Messages that are held because their pair loops")

QUESTIONS = _gauge("questions_open", "Questions without an answer")
QUESTION_AGE = _gauge("questions_oldest_seconds", "Age of the oldest question without an answer")
APPROVALS = _gauge("approvals_pending", "Approvals that wait for the operator", "kind")
APPROVAL_AGE = _gauge("approvals_oldest_seconds", "Age of the oldest approval that waits")

TURNS_RUNNING = _gauge("turns_running", "Harnesses that report that they work")
TURNS = _counter("turns", "Finished turns of a participant, by outcome", PARTICIPANT, "outcome")
TURN_SECONDS = _histogram(
    "turn_duration_seconds",
    "Duration of finished turns, without frozen time",
    TURN_BOUNDS,
    PARTICIPANT,
)
TOKENS = _counter(
    "turn_tokens", "Tokens of finished turns, as the harness reports them", PARTICIPANT, "type"
)
COST = _counter("turn_cost_usd", "Cost of finished turns in US dollars, as reported", PARTICIPANT)
USAGE_LIMITS = _gauge("usage_limits", "Accounts that are used up")

CONNECTIONS = _gauge("connections", "Open connections to the socket of a participant", PARTICIPANT)
REFUSALS = _counter("refusals", "Refused requests by the code of the error", PARTICIPANT, "code")

WRITABLE = _gauge("store_writable", "Whether the store takes writes")
COMMIT_SECONDS = _histogram("store_commit_seconds", "Duration of commits", COMMIT_BOUNDS)
STORE_BYTES = _gauge("store_size_bytes", "Size of the files of the store", "file")
FREE_BYTES = _gauge("store_free_bytes", "Free space on the file system of the store")
DISK_SHORT = _gauge("disk_short", "Whether only the operator can store something: a full disk")
MACHINE_HELD = _gauge("machine_held", "Whether turns wait because the machine is under pressure")

EXPORTS = _counter(
    "otel_exports", "Readings and turns exported by OTLP, by outcome", "signal", "outcome"
)

# Not plain `process_…`: node_exporter has those of its own process, and refuses others beside them.
CPU_SECONDS = _counter("process_cpu_seconds", "Processor time that the daemon has used")
RESIDENT_BYTES = _gauge("process_resident_memory_bytes", "Memory of the daemon")
VIRTUAL_BYTES = _gauge("process_virtual_memory_bytes", "Address space of the daemon")
OPEN_FDS = _gauge("process_open_fds", "Open file descriptors of the daemon")
MAX_FDS = _gauge("process_max_fds", "Most file descriptors that the daemon may have open")
STARTED = _gauge("process_start_time_seconds", "Unix time at which the daemon was started")

FAMILIES: tuple[Family, ...] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Family)
)
"""All of them, in the order of this file."""
