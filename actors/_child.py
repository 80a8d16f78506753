"""What a supervisor is told about a child, and what it tells about one."""

from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen
from attrs.validators import gt, instance_of, min_len, optional

from actors._exits import ExitReason
from actors._mailbox import Mailbox
from actors._restart import Backoff, Restart, RestartLimit, Strategy

if TYPE_CHECKING:
    from actors._actor import Actor
    from actors._ref import Ref

M = TypeVar("M")


@frozen
class BrutalKill:
    """Stop the child by force, without waiting for it to clean up (OTP `brutal_kill`)."""


@frozen
class Infinity:
    """Wait for the child's end without a deadline (OTP `infinity`)."""


Deadline: TypeAlias = float | BrutalKill | Infinity
"""How long a child may take to stop: seconds, no time at all, or all the time it wants."""

DEFAULT_SHUTDOWN: Final = 5.0
"""Seconds an actor may take to stop unless told otherwise (OTP's default for workers)."""


def check_deadline(_owner: object, _attribute: object, value: Deadline) -> None:
    """Refuse what is not a `Deadline`; an attrs validator.

    Raises:
        ValueError: The number of seconds is not above zero, or it is no deadline at all.
    """
    if isinstance(value, BrutalKill | Infinity):
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"shutdown is seconds above 0, BrutalKill() or Infinity(), not {value!r}")


@frozen
class ChildSpec(Generic[M]):
    """One child of a supervisor, as data; checked when made.

    Attributes:
        id: Its name within the supervisor.
        start: Makes a fresh behaviour; called for every incarnation.
        restart: When it is started again after it ended by itself.
        shutdown: How long it may take to stop, in seconds; then it is killed. A child
            that is a supervisor gets no deadline of its own unless it is `BrutalKill`.
        significant: Whether its end counts for the supervisor's `AutoShutdown`.
        backoff: The delays before restarts; None restarts at once.
        budget: A restart limit of its own: a child that exceeds it is parked, and neither
            its siblings nor the supervisor notice. None counts its failures against the
            supervisor's limit.
        mailbox: The bounds of its mailbox.
        max_handle: Seconds after which a running handler is reported as slow.
        kill_slow: Whether a handler slower than `max_handle` gets the child killed.
        name: The name to register it under in the system; None registers none.
    """

    id: str = field(validator=min_len(1))
    start: Callable[[], "Actor[M]"]
    restart: Restart = field(default=Restart.PERMANENT, validator=instance_of(Restart))
    shutdown: Deadline = field(default=DEFAULT_SHUTDOWN, validator=check_deadline)
    significant: bool = False
    backoff: Backoff | None = None
    budget: RestartLimit | None = None
    mailbox: Mailbox = field(factory=Mailbox)
    max_handle: float | None = field(default=None, validator=optional(gt(0)))
    kill_slow: bool = False
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.significant and self.restart is Restart.PERMANENT:
            raise ValueError(
                f"child {self.id!r}: a permanent child is always restarted, "
                "so it cannot be significant; make it transient or temporary"
            )
        if self.kill_slow and self.max_handle is None:
            raise ValueError(f"child {self.id!r}: kill_slow needs max_handle")


class AutoShutdown(Enum):
    """When a supervisor stops because its significant children ended (OTP 24).

    Only children that ended by themselves and are not restarted count.
    """

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    """As soon as one significant child ended."""
    ALL_SIGNIFICANT = "all_significant"
    """As soon as the last significant child ended."""


def _in_order(children: Iterable[ChildSpec[Any]]) -> tuple[ChildSpec[Any], ...]:
    return tuple(children)


@frozen
class SupervisorSpec:
    """A supervisor, as data; checked when made.

    Attributes:
        children: Started in this order and stopped in the reverse order.
        strategy: Which siblings are restarted along with a failed child.
        limit: How many restarts are tolerated before the supervisor gives up.
        auto_shutdown: Whether the end of significant children stops the supervisor.
    """

    children: tuple[ChildSpec[Any], ...] = field(default=(), converter=_in_order)
    strategy: Strategy = field(default=Strategy.ONE_FOR_ONE, validator=instance_of(Strategy))
    limit: RestartLimit = field(factory=RestartLimit)
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER

    def __attrs_post_init__(self) -> None:
        counts = Counter(child.id for child in self.children)
        if twice := [child for child, count in counts.items() if count > 1]:
            raise ValueError(f"child ids must be unique; used more than once: {', '.join(twice)}")
        self.check(*self.children)

    def check(self, *children: ChildSpec[Any]) -> None:
        """Refuse children that do not fit this supervisor.

        Raises:
            ValueError: A significant child under `AutoShutdown.NEVER`, which would have no
                effect (OTP refuses it as well).
        """
        if self.auto_shutdown is AutoShutdown.NEVER:
            for child in children:
                if child.significant:
                    raise ValueError(
                        f"child {child.id!r} is significant but auto_shutdown is never"
                    )


class ChildState(Enum):
    """Where a supervised child stands."""

    STARTING = "starting"
    """Its `on_start` is running."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It was told to end and has not ended yet."""
    BACKOFF = "backoff"
    """It waits to be started: for its delay to pass, or for its turn."""
    STOPPED = "stopped"
    """It ended and will not be started again unless asked for."""
    PARKED = "parked"
    """It used up its restart budget and waits to be revived."""


@frozen
class ChildInfo:
    """What a supervisor knows about a child.

    Attributes:
        id: The child's id.
        ref: Its ref; the same for all incarnations.
        state: Where it stands.
        restarts: How often it was started again.
        since: When it entered this state, in the loop's time.
        last_exit: How its last incarnation ended, or None.
        next_restart_at: When it will be started again, in the loop's time, or None.
        attempt: How many times it failed since it was last healthy.
    """

    id: str
    ref: "Ref[Any]"
    state: ChildState
    restarts: int
    since: float
    last_exit: ExitReason | None
    next_restart_at: float | None
    attempt: int
