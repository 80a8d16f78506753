"""Specifications as data, checked when made: mailboxes, deadlines, options, child specs."""

from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen
from attrs.validators import gt, instance_of, min_len, optional

from actors._exits import ExitReason
from actors._interceptors import Interceptor
from actors._restart import Backoff, Restart, RestartLimit, Strategy

if TYPE_CHECKING:
    from actors._actor import Actor

M = TypeVar("M")


class Overflow(Enum):
    """The policy of a full mailbox."""

    REJECT = "reject"
    """The sender gets `MailboxFull`."""
    DROP_OLDEST = "drop_oldest"
    """The oldest message is dropped."""
    BLOCK = "block"
    """`await ref.put(message)` waits for room; `tell` gets `MailboxFull`."""


@frozen
class Mailbox:
    """The bounds of an actor's mailbox.

    Attributes:
        capacity: The largest number of queued user messages; None means no bound. Messages
            of the runtime (`Down`, timers and the like) are not counted.
        policy: The policy when it is full.
    """

    capacity: int | None = field(default=10_000)
    policy: Overflow = Overflow.REJECT

    @capacity.validator
    def _check_capacity(self, _attribute: object, value: int | None) -> None:
        if value is not None and value < 1:
            raise ValueError(f"a mailbox holds at least 1 message, or None for no bound: {value}")


@frozen
class BrutalKill:
    """Kill the child without waiting for it to clean up (OTP `brutal_kill`)."""


@frozen
class Infinity:
    """Wait for the child's end without a deadline (OTP `infinity`)."""


Deadline: TypeAlias = float | BrutalKill | Infinity
"""The time a child has for stopping: seconds, none, or no limit."""

DEFAULT_SHUTDOWN: Final = 5.0
"""The default time for stopping, in seconds (OTP's default for workers)."""


def check_deadline(_owner: object, _attribute: object, value: Deadline) -> None:
    """Check that a value is a `Deadline`; an attrs validator.

    Raises:
        ValueError: The number of seconds is not above zero, or it is not a deadline.
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
        start: Makes a new behaviour; called for every incarnation.
        restart: When it is restarted after it ended by itself.
        shutdown: The time for stopping, in seconds, after which it is killed. A child that
            is a supervisor has no deadline of its own unless it is `BrutalKill`.
        significant: Whether its end counts for the supervisor's `AutoShutdown`.
        backoff: The delays before restarts; None restarts at once.
        budget: A restart limit of its own: a child that exceeds it is parked, with no effect
            on its siblings or the supervisor. None counts its failures against the
            supervisor's limit.
        prevent_restart: Says of a failure that a restart would fail, too: the child is parked
            at once, whatever is left of its budget (compare systemd's
            `RestartPreventExitStatus=`). None says so of no failure.
        mailbox: The bounds of its mailbox.
        max_handle: Seconds after which a running handler is reported as slow.
        kill_slow: Whether the child is killed when a handler is slower than `max_handle`.
        name: The name to register in the system; None registers none.
    """

    id: str = field(validator=min_len(1))
    start: Callable[[], "Actor[M]"]
    restart: Restart = field(default=Restart.PERMANENT, validator=instance_of(Restart))
    shutdown: Deadline = field(default=DEFAULT_SHUTDOWN, validator=check_deadline)
    significant: bool = False
    backoff: Backoff | None = None
    budget: RestartLimit | None = None
    prevent_restart: Callable[[ExitReason], bool] | None = None
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
        if self.prevent_restart is not None and self.budget is None:
            raise ValueError(
                f"child {self.id!r}: prevent_restart needs a budget, "
                "since only a child with one is parked"
            )


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
        limit: The restarts that are allowed before the supervisor escalates.
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
        """Check that children fit this supervisor.

        Raises:
            ValueError: A child is significant under `AutoShutdown.NEVER`, where that has no
                effect (OTP rejects it as well).
        """
        if self.auto_shutdown is AutoShutdown.NEVER:
            for child in children:
                if child.significant:
                    raise ValueError(
                        f"child {child.id!r} is significant but auto_shutdown is never"
                    )


@frozen
class Options:
    """The options of one actor; see `Context.spawn` and `ChildSpec`."""

    mailbox: Mailbox = field(factory=Mailbox)
    shutdown: Deadline = field(default=DEFAULT_SHUTDOWN, validator=check_deadline)
    max_handle: float | None = field(default=None, validator=optional(gt(0)))
    kill_slow: bool = False
    interceptors: tuple[Interceptor, ...] = ()

    @classmethod
    def make(
        cls,
        mailbox: Mailbox | None,
        shutdown: Deadline,
        max_handle: float | None,
        interceptors: tuple[Interceptor, ...],
    ) -> "Options":
        """Return the options of a spawned actor; all defaults share one value."""
        usual = mailbox is None and max_handle is None and not interceptors
        if usual and shutdown == DEFAULT_SHUTDOWN:
            return _DEFAULTS
        return cls(mailbox or Mailbox(), shutdown, max_handle, False, interceptors)

    @classmethod
    def of(cls, spec: ChildSpec[object]) -> "Options":
        """Return the options in a child spec."""
        return cls(spec.mailbox, spec.shutdown, spec.max_handle, spec.kill_slow)


_DEFAULTS = Options()


@frozen
class CancelPolicy:
    """How often the runtime cancels code that does not end, and how long it waits.

    Attributes:
        cancel_tries: The number of cancellations after which a task that swallows them is
            reported as stuck and abandoned.
        cancel_interval: Seconds between two cancellations.
        kill_grace: Seconds that `on_stop` has after a kill.
    """

    cancel_tries: int = field(default=5, validator=gt(0))
    cancel_interval: float = field(default=0.1, validator=gt(0))
    kill_grace: float = field(default=0.5, validator=gt(0))
