"""Durable state: one SQLite file, one writer, group commit.

`store` is what others use. Below it: `writer` groups writes into batches, `engine` says on which
thread they run, `unit` what a batch is, `connection` which settings must hold, `schema` the tables,
`pieces` how many rows are one statement. `participants`, `events`, `messages`, `receipts`,
`groups`, `questions`, `reminders`, `turns` and `limits` are the statements, `records` the values.
`health` says whether writes are taken and `files` whether they can be found again; `retention`,
`search` and `cursors` are about what was written long ago; `backup` and `checks` are for
operators.
"""

from hive.store.engine import Engine, InlineEngine, ThreadEngine
from hive.store.errors import (
    StoreClosedError,
    StoreCorruptError,
    StoreDiskError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreLogMissingError,
    StoreMovedError,
    StoreNotDurableError,
    StoreReadOnlyError,
    StoreVersionError,
)
from hive.store.records import (
    NO_ORIGIN,
    Desired,
    EventRecord,
    Kind,
    Message,
    MessageKind,
    MessageState,
    Origin,
    ParticipantOrigin,
    ParticipantRecord,
    Receipt,
    Step,
)
from hive.store.store import Store

__all__ = [
    "NO_ORIGIN",
    "Desired",
    "Engine",
    "EventRecord",
    "InlineEngine",
    "Kind",
    "Message",
    "MessageKind",
    "MessageState",
    "Origin",
    "ParticipantOrigin",
    "ParticipantRecord",
    "Receipt",
    "Step",
    "Store",
    "StoreClosedError",
    "StoreCorruptError",
    "StoreDiskError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "StoreLogMissingError",
    "StoreMovedError",
    "StoreNotDurableError",
    "StoreReadOnlyError",
    "StoreVersionError",
    "ThreadEngine",
]
