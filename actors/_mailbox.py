"""How much an actor's mailbox holds, and what happens when it is full."""

from enum import Enum

from attrs import field, frozen


class Overflow(Enum):
    """What a full mailbox does with one more message."""

    REJECT = "reject"
    """The sender gets `MailboxFull`."""
    DROP_OLDEST = "drop_oldest"
    """The message that waited longest is dropped."""
    BLOCK = "block"
    """`await ref.put(message)` waits for room; `tell` gets `MailboxFull`."""


@frozen
class Mailbox:
    """The bounds of an actor's mailbox.

    Attributes:
        capacity: The number of user messages that may wait; None means no bound. Messages
            from the runtime (`Down`, timers and the like) are not counted.
        policy: What happens to a message for which there is no room.
    """

    capacity: int | None = field(default=10_000)
    policy: Overflow = Overflow.REJECT

    @capacity.validator
    def _check_capacity(self, _attribute: object, value: int | None) -> None:
        if value is not None and value < 1:
            raise ValueError(f"a mailbox holds at least 1 message, or None for no bound: {value}")
