"""Faults on demand: messages lost, late, doubled or poisonous; starts that fail.

A `FaultPlan` is plain data that says which message or start of which actor goes wrong;
`Faults` is the interceptor that carries it out. `FlakyActor` goes wrong when told to.
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
    """What injected faults raise, so that a test can tell it from a real bug."""


@frozen
class MessageFault:
    """Something goes wrong with one message, or with every message, to an actor.

    Attributes:
        target: The actor's path; `*` stands for any characters.
        verdict: What happens: `Drop`, `Delay`, `Duplicate` or `Fail`.
        nth: Which of the fitting messages to one actor, from 1; None means all of them.
        message: The type of message it is about.
    """

    target: str
    verdict: Verdict
    nth: int | None = field(default=None)
    message: type = object

    def hits(self, message: object, path: str) -> bool:
        """Tell whether the fault is about this message, apart from counting."""
        return isinstance(message, self.message) and fnmatchcase(path, self.target)


@frozen
class StartFault:
    """Starts of an actor fail.

    Attributes:
        target: The actor's path; `*` stands for any characters.
        first: The first start that fails, from 1.
        times: How many starts fail in a row.
        error: What the start raises.
    """

    target: str
    first: int = field(default=1, validator=ge(1))
    times: int = field(default=1, validator=ge(1))
    error: BaseException = field(factory=lambda: InjectedFault("the start was made to fail"))

    def hits(self, start: int, path: str) -> bool:
        """Tell whether this start of the actor fails."""
        in_range = self.first <= start < self.first + self.times
        return in_range and fnmatchcase(path, self.target)


@frozen
class FaultPlan:
    """Everything that shall go wrong; the first fitting fault of a message counts."""

    messages: tuple[MessageFault, ...] = ()
    starts: tuple[StartFault, ...] = ()


@define(eq=False)
class Faults(Interceptor):
    """Carries out a `FaultPlan`; give it to `ActorSystem(interceptors=[...])`."""

    plan: FaultPlan
    _seen: Counter[tuple[int, str]] = field(factory=Counter, init=False)

    def around(self, message: object, ref: Ref[Any]) -> object:
        """Return the message, or what happens to it."""
        verdict: object = message
        for number, fault in enumerate(self.plan.messages):
            if fault.hits(message, ref.path):
                self._seen[number, ref.path] += 1
                if verdict is message and fault.nth in (None, self._seen[number, ref.path]):
                    verdict = fault.verdict
        return verdict

    def starting(self, ref: Ref[Any]) -> None:
        """Fail a start if the plan says so."""
        for fault in self.plan.starts:
            if fault.hits(ref.incarnation, ref.path):
                raise fault.error


@frozen
class Crash:
    """Tells a `FlakyActor` to raise."""

    error: BaseException = field(factory=lambda: InjectedFault("told to crash"))


@frozen
class Finish:
    """Tells a `FlakyActor` to end by itself."""

    reason: ExitReason = field(factory=Normal)


@frozen
class Hang:
    """Tells a `FlakyActor` to await for ever, swallowing the first `swallow` cancellations."""

    swallow: int = 0


@frozen
class Echo(Request[Any]):
    """Asks a `FlakyActor` for its value back."""

    value: object = None


class FlakyActor(Actor[Any]):
    """An actor that goes wrong when told to, and on stop as it was made.

    Args:
        hang_on_stop: How its `on_stop` hangs; None lets it stop at once.
    """

    def __init__(self, hang_on_stop: Hang | None = None) -> None:
        self._hang_on_stop = hang_on_stop

    def receive(self, message: Any) -> object:
        """Do as told; anything unknown is ignored."""
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
        """Stop at once, or not."""
        del reason
        return None if self._hang_on_stop is None else hang(self._hang_on_stop.swallow)


async def hang(swallow: int = 0) -> None:
    """Await for ever; the first `swallow` cancellations change nothing."""
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
    """Make a factory of which the first `times` calls fail."""
    failures = iter(range(times))

    def start() -> Actor[M]:
        if next(failures, None) is not None:
            raise error or InjectedFault("the start was made to fail")
        return factory()

    return start
