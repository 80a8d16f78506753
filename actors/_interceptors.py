"""Interceptors: replace, drop, delay, duplicate or fail messages before delivery."""

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen
from attrs.validators import ge

if TYPE_CHECKING:
    from actors._ref import Ref


@frozen
class Drop:
    """Do not deliver the message. A request then ends with its timeout."""

    reason: str = ""


@frozen
class Delay:
    """Deliver the message after `seconds`; later messages overtake it."""

    seconds: float = field(validator=ge(0))


@frozen
class Duplicate:
    """Deliver the message and `copies` more of it."""

    copies: int = field(default=1, validator=ge(1))


@frozen
class Fail:
    """Make the actor raise `error` instead of handling the message."""

    error: BaseException


Verdict: TypeAlias = Drop | Delay | Duplicate | Fail
"""The decisions that an interceptor may return instead of a message."""


class Interceptor:
    """Hooks before the delivery of messages and the starts of actors; override those needed.

    Give it to `ActorSystem(interceptors=...)` for all actors, or to `spawn` for one.
    """

    def around(self, message: object, ref: "Ref[Any]") -> object:
        """Return the message to deliver (the same or another), or a `Verdict`.

        Args:
            message: The message or request.
            ref: The receiver.
        """
        del ref
        return message

    def starting(self, ref: "Ref[Any]") -> None:
        """Run before each start of an actor; an exception fails the start."""
