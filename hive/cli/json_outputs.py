"""Which verb prints which type with `--json`.

The schemas (`hive.cli.json_contract`), docs/json.md and the tables by which absent keys are filled
in (`hive.client.json_keys`) are all made from these tables.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from hive.cli.json_types import (
    AdoptResult,
    AnsweredMessage,
    AskedApproval,
    BackupFile,
    CheckResult,
    DeployOutput,
    Explanation,
    ExportDirectory,
    FindingRow,
    LogLines,
    LoopRow,
    LooseEnds,
    MessageTrace,
    ModelChoice,
    MoveResult,
    ParticipantList,
    Participants,
    PeerSocket,
    QueueLoads,
    ReceiptList,
    SentMessage,
    StatusDetail,
    StatusLine,
    StoredItem,
    UnreadCount,
)
from hive.wire.attention import AttentionRow
from hive.wire.change_rows import (
    ApprovalRow,
    AuditRow,
    ChangeRow,
    DeployRow,
    HistoryRow,
    InputRow,
    SettingRow,
)
from hive.wire.metric_rows import FamilyRow
from hive.wire.overview_rows import OverviewRow
from hive.wire.rows import (
    Delivery,
    DrainRow,
    EventRow,
    FreezeRow,
    Identity,
    InboxRow,
    QuestionRow,
    StatusRow,
    TreeRow,
    Verified,
)
from hive.wire.schedules import ScheduleRow
from hive.wire.timeline_rows import TimelineRow
from hive.wire.turn_rows import LimitRow, LiveRow, TurnRow
from hive.wire.web_rows import WebSessionRow


@frozen
class Output:
    """What a verb prints.

    Attributes:
        type: The type of the document, or of the items of a stream.
        when: The words of the command line that choose it; empty for no others.
        is_stream: Whether it is a line of JSON for each item.
    """

    type: Any
    when: str = ""
    is_stream: bool = False


_OPERATOR: dict[str, tuple[Output, ...]] = {
    "check": (Output(CheckResult),),
    "reload": (Output(list[ChangeRow]),),
    "model": (Output(ModelChoice),),
    "show": (Output(list[SettingRow]),),
    "pending": (Output(list[ApprovalRow]),),
    "approval": (Output(ApprovalRow),),
    "audit": (Output(list[AuditRow]),),
    "deploys": (Output(list[DeployRow]), Output(DeployOutput, "--follow", is_stream=True)),
    "history": (Output(list[HistoryRow]),),
    "propose": (Output(ApprovalRow),),
    "schedule": (Output(ScheduleRow),),
    "schedules": (Output(list[ScheduleRow]),),
    "update-inputs": (Output(ApprovalRow), Output(list[InputRow], "--check")),
    "list": (Output(Participants),),
    "status": (
        Output(list[StatusRow]),
        Output(StatusDetail, "NAME"),
        Output(list[StatusRow], "--watch", is_stream=True),
    ),
    "overview": (Output(OverviewRow),),
    "why": (Output(Explanation),),
    "timeline": (Output(list[TimelineRow]),),
    "tree": (Output(TreeRow),),
    "attention": (Output(list[AttentionRow]),),
    "statusline": (Output(StatusLine),),
    "send": (
        Output(SentMessage),
        Output(AnsweredMessage, "--wait"),
        Output(AnsweredMessage, "@GROUP --wait", is_stream=True),
    ),
    "questions": (Output(list[QuestionRow]),),
    "inbox": (Output(list[InboxRow]), Output(InboxRow, "--follow", is_stream=True)),
    "search": (Output(list[InboxRow]),),
    "trace": (Output(MessageTrace),),
    "dead-letters": (Output(list[InboxRow]),),
    "loops": (Output(list[LoopRow]),),
    "group": (Output(dict[str, list[str]], "list"),),
    "queues": (Output(QueueLoads),),
    "estop": (Output(list[FreezeRow]),),
    "thaw": (Output(list[FreezeRow]),),
    "drain": (Output(list[DrainRow]),),
    "register-peer": (Output(PeerSocket),),
    "release": (Output(MoveResult),),
    "adopt": (Output(AdoptResult),),
    "rename": (Output(MoveResult),),
    "turns": (Output(list[TurnRow]),),
    "watch": (Output(LiveRow, is_stream=True),),
    "limits": (Output(list[LimitRow]),),
    "logs": (Output(list[str]), Output(str, "--follow", is_stream=True)),
    "events": (Output(list[EventRow]), Output(EventRow, "--follow", is_stream=True)),
    "metrics": (Output(list[FamilyRow]),),
    "doctor": (Output(list[FindingRow]),),
    "backup": (Output(BackupFile),),
    "export": (Output(ExportDirectory),),
    "web-sessions": (Output(list[WebSessionRow]),),
}

_AGENT: dict[str, tuple[Output, ...]] = {
    "send": (Output(SentMessage), Output(AnsweredMessage, "--wait", is_stream=True)),
    "recv": (Output(Delivery, is_stream=True),),
    "wake": (Output(SentMessage),),
    "status": (Output(UnreadCount),),
    "whoami": (Output(Identity),),
    "who": (Output(ParticipantList),),
    "receipts": (Output(ReceiptList),),
    "verify": (Output(Verified),),
    "ask": (Output(StoredItem),),
    "remind": (Output(StoredItem),),
    "loose-ends": (Output(LooseEnds),),
}

_REQUESTS = (
    "spawn",
    "apply-commit",
    "init-config",
    "schedule",
    "adopt",
    "release",
    "update-inputs",
)

OUTPUTS: dict[str, dict[str, tuple[Output, ...]]] = {
    "hive-c0re": _OPERATOR,
    "hive-ag3nt": _AGENT,
    "hive-m1nd": {
        **_AGENT,
        "logs": (Output(LogLines),),
        **{f"request-{each}": (Output(AskedApproval),) for each in _REQUESTS},
    },
}
"""What each verb with `--json` prints, by program and verb."""
