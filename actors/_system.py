"""The actor system: spawn, find, inspect and stop actors."""

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Self, TypeVar

from actors._actor import Actor
from actors._cell import cell_of
from actors._errors import StartError, SystemClosed
from actors._events import ActorExited, DeadLetters, EventStream, RootFailed, Subscription
from actors._exits import ExitReason, Shutdown, StartFailed
from actors._inspect import Inspection, TraceEntry, TreeNode, inspect_cell, system_node
from actors._interceptors import Interceptor
from actors._ref import Ref
from actors._runtime import Counters, Runtime, log_crash
from actors._specs import (
    DEFAULT_SHUTDOWN,
    CancelPolicy,
    Deadline,
    Infinity,
    Mailbox,
    Options,
    SupervisorSpec,
)
from actors._supervisor import Supervisor
from actors._supervisor_api import SupervisorRef
from actors._timers import call_after

M = TypeVar("M")


class ActorSystem:
    """A tree of actors on the running event loop.

    Use it as an async context manager: leaving it stops all actors, the last made first,
    and waits for their end. A `KeyboardInterrupt` in an actor stops the system in the same
    order, and the context manager then raises it.

    Args:
        name: The name of the root in `tree`.
        random: The source of all randomness of the runtime; by default seeded by the
            operating system.
        on_crash: Called with each crash and each failed start; logs it by default.
        interceptors: Called with every message and every start.
        cancel_policy: How to treat code that does not end when it is cancelled.
    """

    def __init__(
        self,
        *,
        name: str = "system",
        random: Random | None = None,
        on_crash: Callable[[ActorExited], object] | None = log_crash,
        interceptors: Iterable[Interceptor] = (),
        cancel_policy: CancelPolicy | None = None,
    ) -> None:
        self.name = name
        self.events = EventStream()
        self.dead_letters = DeadLetters()
        self._random = random or Random()  # noqa: S311 - jitter, not secrets
        self._on_crash = on_crash
        self._interceptors = tuple(interceptors)
        self._cancel_policy = cancel_policy or CancelPolicy()
        self._entered: Runtime | None = None

    async def __aenter__(self) -> Self:
        self._entered = Runtime(
            self,
            random=self._random,
            events=self.events,
            dead_letters=self.dead_letters,
            on_crash=self._on_crash,
            interceptors=self._interceptors,
            cancel_policy=self._cancel_policy,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        runtime = self._runtime
        await runtime.shut_down()
        if runtime.interrupted is not None:
            raise runtime.interrupted

    @property
    def _runtime(self) -> Runtime:
        if self._entered is None:
            raise SystemClosed(self.name)
        return self._entered

    # Spawning and stopping

    def spawn(
        self,
        factory: Callable[[], Actor[M]],
        *,
        name: str | None = None,
        mailbox: Mailbox | None = None,
        shutdown: Deadline = DEFAULT_SHUTDOWN,
        max_handle: float | None = None,
        interceptors: Iterable[Interceptor] = (),
    ) -> Ref[M]:
        """Start an unsupervised actor; its ref accepts messages at once.

        Args:
            factory: Makes the behaviour.
            name: The name to register; None generates one and registers none.
            mailbox: The bounds of its mailbox.
            shutdown: The deadline of its stop, in seconds.
            max_handle: Seconds after which a running handler is reported as slow.
            interceptors: Called with its messages before they are delivered.

        Raises:
            NameTaken: Another actor has this name.
            SystemClosed: The system is not running.
        """
        options = Options.make(mailbox, shutdown, max_handle, tuple(interceptors))
        return self._runtime.make_child(None, factory, name, options)

    async def start_supervisor(
        self, spec: SupervisorSpec, name: str = "supervisor"
    ) -> SupervisorRef:
        """Start a root supervisor and wait until all its children are up.

        If it ends later without a request to stop, the system has failed: see `failed`.

        Raises:
            StartError: A child failed to start; those started before are stopped again.
            NameTaken: Another actor has this name.
            SystemClosed: The system is not running.
        """
        runtime = self._runtime
        options = Options(Mailbox(capacity=None), Infinity())
        cell = runtime.make_child(None, lambda: Supervisor(spec), name, options)
        try:
            await runtime.wait_started(cell)
        except StartError as error:
            match error.reason:
                case StartFailed(StartError() as child_error):
                    raise child_error from error
                case _:
                    raise
        runtime.watch_root(cell)
        return SupervisorRef(cell)

    async def wait_started(self, ref: Ref[Any]) -> None:
        """Wait until an actor is up; return at once if it is.

        Raises:
            StartError: It ended instead.
        """
        cell = cell_of(ref)
        if not cell.up:
            await self._runtime.wait_started(cell)

    async def stop(
        self, ref: Ref[Any], reason: ExitReason | None = None, timeout: float | None = None
    ) -> ExitReason:
        """Stop an actor after its current handler; return its exit reason.

        The stop overtakes queued messages. A supervised child is restarted if its restart
        type says so; use `SupervisorRef.terminate_child` to keep it down.

        Args:
            ref: The actor.
            reason: The exit reason; `Shutdown` by default.
            timeout: Seconds after which it is killed; its own deadline by default.
        """
        cell = cell_of(ref)
        self._runtime.expect_exit(cell)
        ended = cell.join()
        cell.request_stop(reason or Shutdown(), timeout)
        if timeout is not None and cell.supervisor is None:
            # It may be stopping already, with a later deadline or none.
            killing = call_after(self._runtime.loop, timeout, cell.request_kill)
            ended.add_done_callback(lambda _: killing.cancel())
        return await ended

    def kill(self, ref: Ref[Any]) -> None:
        """Kill an actor: cancel its handler, and kill its children."""
        cell = cell_of(ref)
        self._runtime.expect_exit(cell)
        cell.request_kill()

    async def join(self, ref: Ref[Any]) -> ExitReason:
        """Wait for the end of the current incarnation; return its exit reason."""
        return await cell_of(ref).join()

    # Finding and inspecting

    def whereis(self, name: str) -> Ref[Any] | None:
        """Return the living actor registered under `name`, or None."""
        return self._runtime.registry.find(name)

    def registered(self) -> tuple[str, ...]:
        """Return the names of all living actors, sorted."""
        return self._runtime.registry.names()

    def inspect(self, ref: Ref[Any]) -> Inspection:
        """Describe one actor as it is at this moment."""
        return inspect_cell(cell_of(ref))

    def tree(self) -> TreeNode:
        """Describe all actors as they are at this moment."""
        return system_node(self.name, tuple(self._runtime.roots))

    def suspend(self, ref: Ref[Any]) -> None:
        """Leave user messages in the mailbox of an actor; stops, kills and timers still work."""
        cell_of(ref).suspend()

    def resume(self, ref: Ref[Any]) -> None:
        """Undo `suspend`."""
        cell_of(ref).resume()

    def trace(self, ref: Ref[Any], sink: Callable[[TraceEntry], object]) -> Subscription:
        """Call `sink` with every user message the actor begins, over all incarnations."""
        return cell_of(ref).trace(sink)

    @property
    def counters(self) -> Counters:
        """Counts of faults so far."""
        return self._runtime.counters

    @property
    def stuck(self) -> tuple[str, ...]:
        """The names of the tasks that swallowed every cancellation and were abandoned."""
        return tuple(self._runtime.stuck)

    @property
    def random(self) -> Random:
        """The source of randomness of the system."""
        return self._random

    @property
    def failed(self) -> RootFailed | None:
        """The failure of the first root supervisor that failed, or None."""
        failure = self._runtime.root_failure
        return failure.result() if failure.done() else None

    async def wait_failed(self) -> RootFailed:
        """Wait until a root supervisor fails."""
        return await asyncio.shield(self._runtime.root_failure)
