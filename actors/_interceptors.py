"""Code that sees every message before it is delivered: drop, change, delay, duplicate, fail."""

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen
from attrs.validators import ge

if TYPE_CHECKING:
    from actors._ref import Ref


@frozen
class Drop:
    """Do not deliver the message. An ask is then left to its timeout."""

    reason: str = ""


@frozen
class Delay:
    """Deliver the message after so many seconds; later messages overtake it."""

    seconds: float = field(validator=ge(0))


@frozen
class Duplicate:
    """Deliver the message and `copies` more of it."""

    copies: int = field(default=1, validator=ge(1))


@frozen
class Fail:
    """Make the actor's handler raise `error` in place of handling the message."""

    error: BaseException


Verdict: TypeAlias = Drop | Delay | Duplicate | Fail
"""What an interceptor may decide in place of the message itself."""


class Interceptor:
    """Sees messages and starts of actors. Override what is needed.

    Give it to `ActorSystem(interceptors=...)` for all actors, or to `spawn` for one.
    """

    def around(self, message: object, ref: "Ref[Any]") -> object:
        """Return the message to deliver (the same or another), or a `Verdict`.

        Args:
            message: What was told or asked.
            ref: The actor it is for.
        """
        del ref
        return message

    def starting(self, ref: "Ref[Any]") -> None:
        """Called before each start of an actor; what it raises fails the start."""
