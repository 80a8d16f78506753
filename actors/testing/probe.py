"""`Probe`, an actor that records messages and events, for tests that wait for them."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar, cast, overload

from attrs import frozen

from actors._actor import Actor
from actors._events import Event
from actors._exits import ExitReason
from actors._messages import Down, LinkExit, Request
from actors._ref import Ref
from actors._system import ActorSystem
from actors.testing.simulation import SimulationLoop

T = TypeVar("T")
Predicate: TypeAlias = Callable[[Any], bool]

WITHIN: Final = 1.0
"""The default time that a probe waits, in seconds; virtual on the simulation loop."""


@frozen
class _Watch(Request[None]):
    ref: Ref[Any]


@frozen
class _Link(Request[None]):
    ref: Ref[Any]


@frozen
class _Catch(Request[None]):
    """Answered after every message that was sent to the probe before it."""


class Probe(Actor[Any]):
    """An actor that records every message, `Down`, exit and event until a test takes it.

    It traps exits, so linked actors do not end it. It is spawned when it is made.

    Args:
        system: The system in which it is spawned, and whose events it records.
        name: The name to register.
        answer: Computes the answers to requests; by default they are None.
    """

    trap_exits = True

    def __init__(
        self,
        system: ActorSystem,
        name: str | None = None,
        answer: Callable[[Any], object] | None = None,
    ) -> None:
        self._answer = answer
        self._messages: deque[Any] = deque()
        self._downs: deque[Down] = deque()
        self._exits: deque[LinkExit] = deque()
        self._events: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._subscription = system.events.subscribe(lambda event: self._note(self._events, event))
        self.ref: Ref[Any] = system.spawn(lambda: self, name=name)

    @property
    def unread(self) -> tuple[Any, ...]:
        """The messages that no `expect` took yet."""
        return tuple(self._messages)

    async def watch(self, ref: Ref[Any]) -> None:
        """Monitor an actor; `expect_down` then takes its end."""
        await self.ref.ask(_Watch(ref))

    async def link(self, ref: Ref[Any]) -> None:
        """Link to an actor; `expect_exit` then takes its end."""
        await self.ref.ask(_Link(ref))

    @overload
    async def expect(self, expected: type[T], within: float = ...) -> T: ...
    @overload
    async def expect(self, expected: Predicate, within: float = ...) -> Any: ...
    async def expect(self, expected: Any, within: float = WITHIN) -> Any:
        """Take the next message, which must match.

        Args:
            expected: A type, or a predicate.
            within: Seconds to wait for it.

        Raises:
            AssertionError: No message came, or the next one does not match.
        """
        await self._until(lambda: bool(self._messages), within, "a message")
        message = self._messages.popleft()
        assert _fits(message, expected), f"expected {_name(expected)} next, got {message!r}"
        return message

    async def expect_nothing(self, for_: float = 0.0) -> None:
        """Check that no message comes for `for_` seconds, and that none is queued then.

        Raises:
            AssertionError: There is one.
        """
        if for_:
            await asyncio.sleep(for_)
        loop = asyncio.get_running_loop()
        if isinstance(loop, SimulationLoop):
            await loop.settle()
        else:
            await self.ref.ask(_Catch())
        assert not self._messages, f"expected no message, got {list(self._messages)!r}"

    async def expect_down(self, ref: Ref[Any], within: float = WITHIN) -> ExitReason:
        """Take the `Down` of a monitored actor; return its exit reason.

        Raises:
            AssertionError: None came.
        """
        what = f"the end of {ref.path}"
        return (await self._take(self._downs, lambda down: down.ref is ref, within, what)).reason

    async def expect_exit(self, ref: Ref[Any], within: float = WITHIN) -> ExitReason:
        """Take the exit of a linked actor; return its exit reason.

        Raises:
            AssertionError: None came.
        """
        what = f"the exit of {ref.path}"
        return (await self._take(self._exits, lambda exit_: exit_.ref is ref, within, what)).reason

    @overload
    async def expect_event(self, expected: type[T], within: float = ...) -> T: ...
    @overload
    async def expect_event(self, expected: Predicate, within: float = ...) -> Any: ...
    async def expect_event(self, expected: Any, within: float = WITHIN) -> Any:
        """Take the first recorded event that matches, and drop those before it.

        Raises:
            AssertionError: None came.
        """
        fits: Predicate = lambda event: _fits(event, expected)  # noqa: E731
        return await self._take(self._events, fits, within, _name(expected), forget=True)

    # The actor

    def receive(self, message: Any) -> object:
        """Record a message."""
        match message:
            case _Watch(ref):
                self.context.monitor(ref)
            case _Link(ref):
                self.context.link(ref)
            case _Catch():
                pass
            case _:
                self._note(self._messages, message)
                return None if self._answer is None else self._answer(message)
        return None

    def on_down(self, down: Down) -> None:
        """Record the end of a monitored actor."""
        self._note(self._downs, down)

    def on_exit(self, exit: LinkExit) -> None:  # noqa: A002 - as in Actor
        """Record the end of a linked actor."""
        self._note(self._exits, exit)

    def on_stop(self, reason: ExitReason) -> None:
        """Unsubscribe from the events."""
        del reason
        self._subscription.cancel()

    # Waiting

    def _note(self, inbox: deque[T], entry: T) -> None:
        inbox.append(entry)
        self._changed.set()

    async def _take(
        self, inbox: deque[T], fits: Predicate, within: float, what: str, *, forget: bool = False
    ) -> T:
        await self._until(lambda: any(map(fits, inbox)), within, what)
        found = next(entry for entry in inbox if fits(entry))
        if forget:
            while inbox[0] is not found:
                inbox.popleft()
        inbox.remove(found)
        return found

    async def _until(self, condition: Callable[[], bool], within: float, what: str) -> None:
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {within:g} s") from None


def _fits(entry: object, expected: object) -> bool:
    if isinstance(expected, type):
        return isinstance(entry, expected)
    return cast("Predicate", expected)(entry)


def _name(expected: object) -> str:
    if isinstance(expected, type):
        return expected.__name__
    return "what the predicate accepts"
