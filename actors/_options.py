"""How the runtime treats one actor; shared by all actors that take the defaults."""

from attrs import field, frozen
from attrs.validators import gt, optional

from actors._child import DEFAULT_SHUTDOWN, ChildSpec, Deadline, check_deadline
from actors._interceptors import Interceptor
from actors._mailbox import Mailbox


@frozen
class Options:
    """The settings of one actor; see `Context.spawn` and `ChildSpec`."""

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
        """Make the settings of a spawned actor; those who take the defaults share one value."""
        usual = mailbox is None and max_handle is None and not interceptors
        if usual and shutdown == DEFAULT_SHUTDOWN:
            return _DEFAULTS
        return cls(mailbox or Mailbox(), shutdown, max_handle, False, interceptors)

    @classmethod
    def of(cls, spec: ChildSpec[object]) -> "Options":
        """Take the settings from a child spec."""
        return cls(spec.mailbox, spec.shutdown, spec.max_handle, spec.kill_slow)


_DEFAULTS = Options()


@frozen
class Patience:
    """How long the runtime waits for code that has been cancelled.

    Attributes:
        cancel_tries: How often a task that swallows its cancellation is cancelled again
            before it is reported as stuck and abandoned.
        cancel_interval: Seconds between two tries.
        kill_grace: Seconds `on_stop` gets after a kill.
    """

    cancel_tries: int = field(default=5, validator=gt(0))
    cancel_interval: float = field(default=0.1, validator=gt(0))
    kill_grace: float = field(default=0.5, validator=gt(0))
