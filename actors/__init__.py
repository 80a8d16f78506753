"""hyperhive's actor runtime: actors, supervision, timers, links, monitors, inspection.

The semantics are those of Erlang/OTP unless said otherwise; `docs/guarantees.md` lists every
promise, and `docs/actors.md` is a tutorial. The code is in private modules, one noun each;
everything public is imported here. The test kit is in `actors.testing`.
"""

from actors._actor import (
    Actor,
)
from actors._asks import (
    Reply,
)
from actors._child import (
    AutoShutdown,
    BrutalKill,
    ChildInfo,
    ChildSpec,
    ChildState,
    Deadline,
    Infinity,
    SupervisorSpec,
)
from actors._context import (
    Context,
)
from actors._dead_letters import (
    DeadLetters,
)
from actors._due import (
    not_before,
)
from actors._errors import (
    ActorDied,
    ActorError,
    AskTimeout,
    ChildError,
    ChildExists,
    ChildIsParked,
    ChildNotParked,
    ChildRunning,
    MailboxFull,
    NameTaken,
    NoSuchChild,
    StaleContext,
    StartError,
    SystemClosed,
)
from actors._events import (
    ActorExited,
    ActorStarted,
    ChildParked,
    ChildRestarting,
    DeadLetter,
    DropReason,
    Escalated,
    Event,
    EventStream,
    ExpiredRequest,
    LateReply,
    MessageDropped,
    RootFailed,
    SlowHandler,
    StopFailed,
    Subscription,
    TaskStuck,
    UnhandledDown,
)
from actors._exits import (
    Crashed,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    OwnerEnded,
    RestartLimitReached,
    Shutdown,
    SignificantChildEnded,
    StartFailed,
    SystemStopped,
    is_graceful,
)
from actors._inspect import (
    ActorKind,
    ActorState,
    CurrentMessage,
    Inspection,
    TraceEntry,
    TreeNode,
)
from actors._interceptors import (
    Delay,
    Drop,
    Duplicate,
    Fail,
    Interceptor,
    Verdict,
)
from actors._mailbox import (
    Mailbox,
    Overflow,
)
from actors._messages import (
    DEFERRED,
    Down,
    LinkExit,
    MonitorId,
    ReplyTo,
    Request,
    TimerId,
)
from actors._options import (
    Patience,
)
from actors._ref import (
    Ref,
)
from actors._requests import (
    SupervisorRef,
)
from actors._restart import (
    Backoff,
    Restart,
    RestartLimit,
    Strategy,
)
from actors._runtime import (
    Counters,
    log_crash,
)
from actors._supervisor import (
    Supervisor,
)
from actors._system import (
    ActorSystem,
)

__all__ = [
    "DEFERRED",
    "Actor",
    "ActorDied",
    "ActorError",
    "ActorExited",
    "ActorKind",
    "ActorStarted",
    "ActorState",
    "ActorSystem",
    "AskTimeout",
    "AutoShutdown",
    "Backoff",
    "BrutalKill",
    "ChildError",
    "ChildExists",
    "ChildInfo",
    "ChildIsParked",
    "ChildNotParked",
    "ChildParked",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildState",
    "Context",
    "Counters",
    "Crashed",
    "CurrentMessage",
    "DeadLetter",
    "DeadLetters",
    "Deadline",
    "Delay",
    "Down",
    "Drop",
    "DropReason",
    "Duplicate",
    "Escalated",
    "Event",
    "EventStream",
    "ExitReason",
    "ExpiredRequest",
    "Fail",
    "Infinity",
    "Inspection",
    "Interceptor",
    "Killed",
    "LateReply",
    "LinkExit",
    "Mailbox",
    "MailboxFull",
    "MessageDropped",
    "MonitorId",
    "NameTaken",
    "NoProc",
    "NoSuchChild",
    "Normal",
    "Overflow",
    "OwnerEnded",
    "Patience",
    "Ref",
    "Reply",
    "ReplyTo",
    "Request",
    "Restart",
    "RestartLimit",
    "RestartLimitReached",
    "RootFailed",
    "Shutdown",
    "SignificantChildEnded",
    "SlowHandler",
    "StaleContext",
    "StartError",
    "StartFailed",
    "StopFailed",
    "Strategy",
    "Subscription",
    "Supervisor",
    "SupervisorRef",
    "SupervisorSpec",
    "SystemClosed",
    "SystemStopped",
    "TaskStuck",
    "TimerId",
    "TraceEntry",
    "TreeNode",
    "UnhandledDown",
    "Verdict",
    "is_graceful",
    "log_crash",
    "not_before",
]
