"""Fault injection: messages dropped, delayed, duplicated or failed; starts that fail.

A `FaultPlan` is plain data that names the messages and starts that fail, and `Faults` the
interceptor that carries it out. `FlakyActor` fails on request.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from attrs import define, field, frozen
from attrs.validators import ge

from actors._actor import Actor
from actors._exits import ExitReason, Normal
from actors._interceptors import Interceptor, Verdict
from actors._messages import Request
from actors._ref import Ref

M = TypeVar("M")


class InjectedFault(Exception):  # noqa: N818 - named for what it is
    """Raised by injected faults, so that a test can tell them from bugs."""


@frozen
class MessageFault:
    """A fault of one message, or of every message, to an actor.

    Attributes:
        target: The actor's path; `*` stands for any characters.
        verdict: The fault: `Drop`, `Delay`, `Duplicate` or `Fail`.
        nth: The number of the matching message to one actor, from 1; None means all.
        message: The type of the message.
    """

    target: str
    verdict: Verdict
    nth: int | None = field(default=None)
    message: type = object

    def hits(self, message: object, path: str) -> bool:
        """Return whether the fault matches this message, apart from `nth`."""
        return isinstance(message, self.message) and fnmatchcase(path, self.target)


@frozen
class StartFault:
    """A fault of the starts of an actor.

    Attributes:
        target: The actor's path; `*` stands for any characters.
        first: The first start that fails, from 1.
        times: The number of consecutive starts that fail.
        error: The error that the start raises.
    """

    target: str
    first: int = field(default=1, validator=ge(1))
    times: int = field(default=1, validator=ge(1))
    error: BaseException = field(factory=lambda: InjectedFault("the start was made to fail"))

    def hits(self, start: int, path: str) -> bool:
        """Return whether this start of the actor fails."""
        in_range = self.first <= start < self.first + self.times
        return in_range and fnmatchcase(path, self.target)


@frozen
class FaultPlan:
    """The faults to inject; the first fault that matches a message applies."""

    messages: tuple[MessageFault, ...] = ()
    starts: tuple[StartFault, ...] = ()


@define(eq=False)
class Faults(Interceptor):
    """Carries out a `FaultPlan`; give it to `ActorSystem(interceptors=[...])`."""

    plan: FaultPlan
    _seen: Counter[tuple[int, str]] = field(factory=Counter, init=False)

    def around(self, message: object, ref: Ref[Any]) -> object:
        """Return the message, or its fault."""
        verdict: object = message
        for number, fault in enumerate(self.plan.messages):
            if fault.hits(message, ref.path):
                self._seen[number, ref.path] += 1
                if verdict is message and fault.nth in (None, self._seen[number, ref.path]):
                    verdict = fault.verdict
        return verdict

    def starting(self, ref: Ref[Any]) -> None:
        """Fail a start if the plan has a fault for it."""
        for fault in self.plan.starts:
            if fault.hits(ref.incarnation, ref.path):
                raise fault.error


@frozen
class Crash:
    """Makes a `FlakyActor` raise."""

    error: BaseException = field(factory=lambda: InjectedFault("told to crash"))


@frozen
class Finish:
    """Makes a `FlakyActor` end by itself."""

    reason: ExitReason = field(factory=Normal)


@frozen
class Hang:
    """Makes a `FlakyActor` await for ever, swallowing the first `swallow` cancellations."""

    swallow: int = 0


@frozen
class Echo(Request[Any]):
    """Makes a `FlakyActor` answer with `value`."""

    value: object = None


class FlakyActor(Actor[Any]):
    """An actor that fails on request.

    Args:
        hang_on_stop: How its `on_stop` hangs; None stops it at once.
    """

    def __init__(self, hang_on_stop: Hang | None = None) -> None:
        self._hang_on_stop = hang_on_stop

    def receive(self, message: Any) -> object:
        """Carry out a `Crash`, `Finish`, `Hang` or `Echo`; ignore any other message."""
        match message:
            case Crash(error):
                raise error
            case Finish(reason):
                self.context.stop(reason)
            case Hang(swallow):
                return hang(swallow)
            case Echo(value):
                return value
        return None

    def on_stop(self, reason: ExitReason) -> Awaitable[None] | None:
        """Stop at once, or hang."""
        del reason
        return None if self._hang_on_stop is None else hang(self._hang_on_stop.swallow)


async def hang(swallow: int = 0) -> None:
    """Await for ever, swallowing the first `swallow` cancellations."""
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if swallow == 0:
                raise
            swallow -= 1


def flaky_start(
    factory: Callable[[], Actor[M]], times: int, error: BaseException | None = None
) -> Callable[[], Actor[M]]:
    """Return a factory whose first `times` calls fail."""
    failures = iter(range(times))

    def start() -> Actor[M]:
        if next(failures, None) is not None:
            raise error or InjectedFault("the start was made to fail")
        return factory()

    return start
