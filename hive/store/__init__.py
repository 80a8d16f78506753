"""Durable state of a hive: one SQLite file, one writer, group commit.

`store` is the public interface. Writing: `writer` groups writes into batches, `engine` runs them on
threads, `transaction` defines batches and reads, `health` holds whether writes are accepted,
`disk_reserve` whether participants may write. The file: `database` opens it and checks that commits
are durable, `schema` has the tables, `errors` the errors. Tables: `participants`, `events`,
`messages`, `receipts`, `dead_letters`, `questions`, `usage`, `approvals`, `deploys`, `schedules`,
`attention_marks` and `move_rows` have the statements, `bulk` builds multi-row statements,
`conditions` those of a list, `records` has the values. Old data: `retention`, `listing`, `search`,
`cursors`, `timelines`. For operators: `backup` and `checks`.
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
