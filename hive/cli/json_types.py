"""The documents that verbs put together for `--json`; most outputs are rows of the wire."""

from __future__ import annotations

import msgspec

from hive.wire.change_rows import (
    ApprovalRow,
    DeployRow,
    SettingRow,
)
from hive.wire.rows import (
    InboxRow,
    QuestionRow,
    ReceiptRow,
    ReminderRow,
    SkippedRow,
    StatusRow,
    StepRow,
    WhoRow,
)
from hive.wire.schedules import ScheduleRow
from hive.wire.timeline_rows import TimelineRow
from hive.wire.turn_rows import TurnRow


class Document(msgspec.Struct, kw_only=True, frozen=True):
    """Base class: an object that a verb prints."""


class CheckResult(Document, frozen=True, kw_only=True):
    """Whether a hive.toml can be used.

    Attributes:
        ok: Whether it can.
        agents: Number of its agents, the manager included.
        peers: Number of its peers.
        error: Its problems.
    """

    ok: bool
    agents: int | None = None
    peers: int | None = None
    error: str | None = None


class StatusDetail(StatusRow, frozen=True, kw_only=True):
    """The status of one participant, with how it is set up and its last turn.

    Attributes:
        settings: Its settings as they are in force.
        log: Where its output is: a path, or a command line; None for a peer.
        last_turn: Its last turn; None if it has had none.
    """

    settings: list[SettingRow] = msgspec.field(default_factory=list)
    log: str | None = None
    last_turn: TurnRow | None = None


class ReasonRow(Document, frozen=True, kw_only=True):
    """A reason why a participant does what it does, or does nothing.

    Attributes:
        what: The reason, a sentence.
        since: Time since which it holds; None if that is unknown, or for as long as the state.
        source: Who says so: "hive", "systemd", "kernel", "harness", "broker", "socket" …
        command: The command that changes it; None if there is none.
    """

    what: str
    since: str | None = None
    source: str
    command: str | None = None


class Explanation(Document, frozen=True, kw_only=True):
    """Why a participant is as it is.

    Attributes:
        name: Name of the participant.
        state: Its state, with what it does.
        reasons: The reasons, the most important one first.
    """

    name: str
    state: str
    reasons: list[ReasonRow]


class ModelChoice(Document, frozen=True, kw_only=True):
    """The model and the effort of an agent with the driver `claude`.

    Attributes:
        name: Name of the agent.
        model: The model of its next turn; None for the default of Claude Code.
        model_source: Where that comes from: "operator", "default", "hive.toml",
            "agent.toml of COMMIT" …
        active_model: The model in use, as its harness reports it; None before its first turn.
        effort: The effort of its next turn; None for the default of Claude Code.
        effort_source: Where that comes from, as `model_source`.
        active_effort: The effort in use, as its harness reports it; "default" for the model's own.
    """

    name: str
    model: str | None = None
    model_source: str
    active_model: str | None = None
    effort: str | None = None
    effort_source: str
    active_effort: str | None = None


class Participants(Document, frozen=True, kw_only=True):
    """The names of all participants.

    Attributes:
        agents: The agents, the manager included.
        peers: The peers.
        descriptions: What participants are, by name.
        projects: The projects of agents, by name.
        conflicts: Why hive.toml contradicts participants, by name.
        strays: Agents whose container runs although it should not.
        queued: Agents whose start waits for the machine or for other starts.
    """

    agents: list[str]
    peers: list[str] = msgspec.field(default_factory=list)
    descriptions: dict[str, str] = msgspec.field(default_factory=dict)
    projects: dict[str, str] = msgspec.field(default_factory=dict)
    conflicts: dict[str, str] = msgspec.field(default_factory=dict)
    strays: list[str] = msgspec.field(default_factory=list)
    queued: list[str] = msgspec.field(default_factory=list)


class StatusLine(Document, frozen=True, kw_only=True, rename={"level": "class"}):
    """What needs the operator, in a line for a status bar.

    Attributes:
        running: Whether the daemon answered.
        text: The line.
        level: "quiet", "needs_you", "failed", or "away" if the daemon did not answer.
        needs_you: Number of items that wait.
        oldest: When the oldest of them began.
        working: Number of running turns.
        failed: Number of those of them that are failures.
    """

    running: bool
    text: str
    level: str
    needs_you: int | None = None
    oldest: str | None = None
    working: int | None = None
    failed: int | None = None


class SentMessage(Document, frozen=True, kw_only=True):
    """A message that was sent; the fields are those of `hive.wire.rows.Stored`.

    Attributes:
        id: Id of the first message stored; None if none was. The copies for several recipients have
            the ids that follow, in the order of `recipients`.
        recipients: Names of the inboxes that store the message.
        duplicate: Whether the dedupe key was a repeat.
        parked: Reason why the loop guard parked the message.
        skipped: Inboxes of a broadcast or group without room, or not seen for long.
    """

    id: int | None = None
    recipients: list[str] = msgspec.field(default_factory=list)
    duplicate: bool = False
    parked: str | None = None
    skipped: list[SkippedRow] = msgspec.field(default_factory=list)


class AnsweredMessage(Document, frozen=True, kw_only=True):
    """The answer to a message that was sent.

    Attributes:
        id: Id of the message; of several copies, of the first.
        answer: The answer.
    """

    id: int
    answer: InboxRow


class MessageTrace(Document, frozen=True, kw_only=True):
    """A message and what became of it.

    Attributes:
        message: The message.
        steps: Its steps, oldest first.
        around: The turns that it was given to, and the events that concern it, oldest first.
    """

    message: InboxRow
    steps: list[StepRow]
    around: list[TimelineRow] = msgspec.field(default_factory=list)


class LoopRow(Document, frozen=True, kw_only=True):
    """Two participants that looped.

    Attributes:
        pair: Their names.
        since: Time at which the loop guard stopped them.
        reason: Why it did.
        parked: Number of their messages that are parked.
    """

    pair: list[str]
    since: str
    reason: str
    parked: int


class QueueRow(Document, frozen=True, kw_only=True):
    """The load of a work queue.

    Attributes:
        name: Its name.
        stored: Number of waiting messages.
        leased: Number of leased messages.
        bytes: Bytes of all of them.
        receivers: Number of receivers that wait for the next one.
    """

    name: str
    stored: int
    leased: int
    bytes: int
    receivers: int


class GroupRow(Document, frozen=True, kw_only=True):
    """The load of a group.

    Attributes:
        name: Its name.
        members: The names of its members.
        unread: Number of unread messages of all of them.
    """

    name: str
    members: list[str]
    unread: int


class AgentOfTurn(Document, frozen=True, kw_only=True):
    """An agent that has a turn, or waits for one.

    Attributes:
        name: The agent.
        since: Time since which it holds its oldest message, or waits.
    """

    name: str
    since: str


class TurnLoad(Document, frozen=True, kw_only=True):
    """The turns of agents that run at once.

    Attributes:
        limit: How many may; None for no limit.
        running: How many run.
        holding: The agents whose turns run, the longest first.
        waiting: The agents that wait for one, the longest wait first.
    """

    limit: int | None
    running: int
    holding: list[AgentOfTurn]
    waiting: list[AgentOfTurn]


class QueueLoads(Document, frozen=True, kw_only=True):
    """The load of all work queues and groups.

    Attributes:
        queues: The queues.
        groups: The groups.
        turns: The turns of agents that run at once, and who waits for one.
    """

    queues: list[QueueRow]
    groups: list[GroupRow]
    turns: TurnLoad


class PeerSocket(Document, frozen=True, kw_only=True):
    """A peer that was registered.

    Attributes:
        socket: Path of its socket.
    """

    socket: str


class MoveResult(Document, frozen=True, kw_only=True):
    """A participant that was moved or renamed.

    Attributes:
        unit: The unit of its container, which is observed now.
        advice: What is to be changed in hive.toml.
    """

    unit: str | None = None
    advice: str | None = None


class AdoptResult(Document, frozen=True, kw_only=True):
    """A peer that becomes an agent.

    Attributes:
        manifest: Its manifest, an agent.toml.
        notes: What is to be known about it.
        machine: The container that becomes the agent's.
        approval: The approval that was asked for; None with `--yes` and `--dry-run`.
        refusal: What stands against it, with `--dry-run`.
        unit: The unit of its container.
        advice: What is to be changed in hive.toml.
    """

    manifest: str
    notes: list[str]
    machine: str | None = None
    approval: ApprovalRow | None = None
    refusal: str | None = None
    unit: str | None = None
    advice: str | None = None


class DeployOutput(Document, frozen=True, kw_only=True):
    """A piece of the output of a deploy, or at last its end.

    Attributes:
        lines: Lines of its output.
        deploy: The deploy, once it has ended.
    """

    lines: list[str] | None = None
    deploy: DeployRow | None = None


class FindingRow(Document, frozen=True, kw_only=True):
    """A finding of an examination.

    Attributes:
        check: What was examined.
        verdict: "ok", "note", "warning" or "problem".
        sentence: The finding.
        remedy: What can be done about it.
    """

    check: str
    verdict: str
    sentence: str
    remedy: str | None = None


class BackupFile(Document, frozen=True, kw_only=True):
    """A copy of the store.

    Attributes:
        path: Its path.
        bytes: Its size.
        schema: Version of its schema.
    """

    path: str
    bytes: int
    schema: int


class ExportDirectory(Document, frozen=True, kw_only=True):
    """An export of a hive.

    Attributes:
        path: Its directory.
        files: Number of its files.
        left_out: Paths below `proposed` that are no plain files, or too deep.
    """

    path: str
    files: int
    left_out: list[str]


class UnreadCount(Document, frozen=True, kw_only=True):
    """The load of the own inbox.

    Attributes:
        unread: Number of its messages that are not acked.
    """

    unread: int


class ParticipantList(Document, frozen=True, kw_only=True):
    """All participants, as each of them may see the others.

    Attributes:
        participants: The participants.
    """

    participants: list[WhoRow]


class ReceiptList(Document, frozen=True, kw_only=True):
    """What became of messages.

    Attributes:
        receipts: One for each message.
    """

    receipts: list[ReceiptRow]


class StoredItem(Document, frozen=True, kw_only=True):
    """A question or a reminder that was stored.

    Attributes:
        id: Its id.
    """

    id: int


class LooseEnds(Document, frozen=True, kw_only=True):
    """What is open for a participant.

    Attributes:
        questions_asked: Questions that it asked.
        questions_to_answer: Questions that were put to it.
        reminders: Its reminders.
        approvals: Approvals that it asked for and that wait.
        schedules: Its schedules.
    """

    questions_asked: list[QuestionRow]
    questions_to_answer: list[QuestionRow]
    reminders: list[ReminderRow]
    approvals: list[ApprovalRow] = msgspec.field(default_factory=list)
    schedules: list[ScheduleRow] = msgspec.field(default_factory=list)


class LogLines(Document, frozen=True, kw_only=True):
    """The output of an agent.

    Attributes:
        lines: Its last lines.
    """

    lines: list[str]


class AskedApproval(Document, frozen=True, kw_only=True):
    """What was submitted to the operator.

    Attributes:
        approval: Number of the approval.
    """

    approval: int
