"""`Hive`: a whole hive in one object, for the daemon, for tests and for embedding programs."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import attrs

from actors import RootFailed, StartError, StartFailed, SupervisorRef
from hive.broker.local_session import LocalSession
from hive.broker.values import MarkRead
from hive.cancellation import shield_until_done
from hive.client.agent import ManagerClient
from hive.clock import Clock, SystemClock, host_timezone
from hive.config import AgentManifest, HiveConfig, PeerConfig
from hive.config.existence import LocalLookup, why_no_export
from hive.config.participant_names import require_valid_names
from hive.daemon.dependencies import Dependencies
from hive.daemon.reloading import ReadConfig
from hive.daemon.runtimes import machine_defaults_of, runtime_of
from hive.daemon.wiring import CHANGES, ROOT, Wiring
from hive.disk_space import disks_of
from hive.errors import (
    BadRequestError,
    ConflictError,
    FailedError,
    HiveError,
    TimedOutError,
    UnansweredError,
)
from hive.event_log import EventKind, Listener
from hive.flakes.nix_runner import find_nix
from hive.git.runner import Git, find_git
from hive.locks import DaemonLock
from hive.machines.function import AgentFunction, FunctionRuntime
from hive.machines.pressure import ReadPressures, read_pressures
from hive.machines.runtime import ByOthers, Running, Runtime
from hive.names import MANAGER, OPERATOR, driver_names
from hive.participants.machine_specs import inherited_environment
from hive.participants.participant import OnExit
from hive.participants.unwatched_ends import report_unwatched_ends
from hive.paths import RUN_DIR_MODE, STATE_DIR_MODE, Paths, make_directory
from hive.status.answer_watch import MessageEnd
from hive.store import Engine, Kind, Message, ThreadEngine
from hive.wire.rows import StatusRow

AgentCoroutine = AgentFunction[ManagerClient]
"""An agent of an embedded hive: an async function whose argument is its connected client."""

IN_PROCESS = AgentManifest(exec=("in-process",))
"""The manifest of an agent that is a function; its program is never started."""


class Hive:
    """A hive inside your program: store, broker, supervisor and sockets.

    Use it as an async context manager. Leaving it stops all agents at once, then everything else in
    reverse order.

    Args:
        state_dir: Directory of the durable state; by default a temporary one that is removed at
            the end.
        agents: Agents that are async functions, by name.
        peers: Names of peers; connect to them with `client`.
        config: The configuration, as of a `hive.toml`; not together with `agents`.
        run_dir: Directory of the sockets; by default a temporary one.
        runtime: The runtime of agents; by default processes, or functions if `agents` are given.
        clock: Wall time.
        random: The source of jitter and ids.
        engine: The threads of SQLite.
        environ: The environment that agents' programs inherit; by default this program's own.
        read_pressures: Reads the pressures of the machine; by default those of the kernel.
        read_config: Reads the configuration anew, for a reload; None if there is no file.
        config_file: The hive.toml, whose path is shown; None if there is no file.
        on_event: Called with each event once it is on disk, from the first of this hive on.

    Raises:
        ConfigError: A name of an agent or a peer breaks a rule, as in hive.toml.
    """

    def __init__(
        self,
        state_dir: Path | str | None = None,
        *,
        agents: Mapping[str, AgentCoroutine] | None = None,
        peers: Iterable[str] = (),
        config: HiveConfig | None = None,
        run_dir: Path | str | None = None,
        runtime: Runtime | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        engine: Engine | None = None,
        environ: Mapping[str, str] | None = None,
        read_pressures: ReadPressures = read_pressures,
        read_config: ReadConfig | None = None,
        config_file: Path | None = None,
        on_event: Listener | None = None,
    ) -> None:
        self._temporary: list[Path] = []
        self._config = _configured(config, agents, peers)  # first: an error leaves nothing behind
        self.paths = Paths(self._directory(run_dir), self._directory(state_dir))
        self._clock = clock or SystemClock()
        self._random = random or Random()  # noqa: S311 - jitter, not secrets
        self._environ = inherited_environment(os.environ if environ is None else environ)
        self._runtime = runtime or self._default_runtime(agents)
        # A runtime of an embedding program, and agents that are functions, need no disk to start.
        needs_disk = runtime is None and agents is None
        self._disks = disks_of(self._config, self.paths) if needs_disk else ()
        self._read_pressures = read_pressures
        self._engine = engine or ThreadEngine()
        self._locks = (
            DaemonLock(self.paths.lock_file, "HYPERHIVE_STATE_DIR"),
            DaemonLock(self.paths.run_lock_file, "HYPERHIVE_RUN_DIR"),
        )
        self._git: Git | None = None
        self._nix: Path | None = None
        self._read_config = read_config
        self._config_file = config_file
        self._on_event = on_event
        self._keep_agents = False
        self._shutdown = asyncio.Event()
        self._clients: list[ManagerClient] = []
        self._wiring: Wiring | None = None
        self._operator: LocalSession | None = None
        self._root: SupervisorRef | None = None
        self._resources = AsyncExitStack()
        self._stopping: asyncio.Future[None] | None = None
        self._closing: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Start everything; returns when host.sock answers.

        Raises:
            ConflictError: When another hive serves this state directory.
            HiveError: When something cannot be started, with a remedy.
        """
        if self._wiring is not None:
            raise ConflictError("this hive is open already")
        try:
            await self._start()
        except BaseException:
            await shield_until_done(self._release())
            raise

    async def close(self, *, keep_agents: bool | None = None) -> None:
        """Stop all agents, then everything else, and release the directories. Idempotent.

        A cancellation takes effect when that is done.

        Args:
            keep_agents: Leave the agents running for the next hive; by default the argument
                of `shutdown`, else False.
        """
        if keep_agents is not None:
            self._keep_agents = keep_agents
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
            self._closing.add_done_callback(self._closed)
        await shield_until_done(self._closing)

    @property
    def parts(self) -> Wiring:
        """The hive's long-lived objects, beyond the methods of this class.

        Raises:
            ConflictError: When the hive is not open.
        """
        if self._wiring is None:
            raise ConflictError("this hive is not open; use 'async with'")
        return self._wiring

    @property
    def is_open(self) -> bool:
        """Whether it was opened completely and not closed."""
        return self._root is not None

    @property
    def stopping(self) -> str | None:
        """How far the stop of the agents is, as a sentence; None before it begins."""
        return None if self._wiring is None else self._wiring.orderly_stop.progress

    @property
    def runtime(self) -> Runtime:
        """The runtime of the agents. An agent that is stopped there counts as ended by itself."""
        return self._runtime

    def shutdown(self, keep_agents: bool = False) -> None:
        """Request the orderly end: `wait_ended` returns, and its caller calls `close`.

        Only the first request counts.
        """
        if not self._shutdown.is_set():
            self._keep_agents = keep_agents
            self._shutdown.set()

    async def stop_agents(self) -> None:
        """Stop all agents at once, unless they keep running; `close` does it, too. Idempotent.

        Meanwhile all sockets answer, and verbs that start or change agents are refused.
        """
        if self._keep_agents or self._root is None or not self._root.ref.alive:
            return
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop_agents())
        await shield_until_done(self._stopping)

    async def _stop_agents(self) -> None:
        assert self._root is not None
        self.parts.events.record(EventKind.DAEMON_STOPPING, keep_agents=False)
        stopped = asyncio.ensure_future(self.parts.stop_agents())
        # A deploy that is carried out is interrupted, and the next daemon goes on with it.
        await self._root.terminate_child(CHANGES)
        await stopped

    def kill_agents(self) -> list[str]:
        """Turn the orderly stop of the agents into a kill; return the names of those that ran.

        Agents that keep running are not killed.
        """
        if self._keep_agents or self._wiring is None:
            return []
        return self._wiring.orderly_stop.kill()

    async def wait_ended(self) -> RootFailed | None:
        """Wait until `shutdown` is called (None) or the root supervisor gives up."""
        requested = asyncio.ensure_future(self._shutdown.wait())
        failed = asyncio.ensure_future(self.parts.system.wait_failed())
        try:
            await asyncio.wait({requested, failed}, return_when=asyncio.FIRST_COMPLETED)
            return failed.result() if failed.done() else None
        finally:
            requested.cancel()
            failed.cancel()

    # Requests of the operator

    async def send(self, to: str, body: str, *, in_reply_to: int | None = None) -> int | None:
        """Send as the operator; returns the message's id once it is on disk."""
        stored = await self._session().send(to, body, in_reply_to=in_reply_to)
        return stored.id if isinstance(stored.id, int) else None

    async def inbox(self, name: str = OPERATOR, limit: int = 100) -> tuple[Message, ...]:
        """Return the newest messages of an inbox, oldest first, without leasing them."""
        return await self.parts.mail.inbox(name, limit)

    async def answer_to(self, message: int | None, *, within: float = 30.0) -> str:
        """Wait for the answer of a recipient of the operator's message, and return its body.

        The answer is acked; `inbox` still shows it. Other mail of the operator stays unread.

        Raises:
            NotFoundError: There is no such message.
            UnansweredError: The message has ended without an answer; the sentence says why.
            TimedOutError: No answer came in time; the sentence says what hinders the recipient.
        """
        if message is None:
            raise BadRequestError("there is no message to be answered")
        hindrance = ""
        try:
            async with (
                asyncio.timeout(within),
                aclosing(self.parts.answers.follow([message])) as found,
            ):
                async for progress in found:
                    for end in progress.ended:
                        return await self._read_answer(end)
                    hindrance = "".join(f": {each.what}" for each in progress.hindrances)
        except TimeoutError:
            pass
        raise TimedOutError(f"no answer to message {message} within {within:g} s{hindrance}")

    async def _read_answer(self, end: MessageEnd) -> str:
        if end.answer is None:
            raise UnansweredError(f"message {end.id} gets no answer: {end.reason}")
        await self.parts.broker.ask(MarkRead(OPERATOR, (end.answer.id,)))
        return end.answer.body or ""

    async def start(self, name: str) -> None:
        """Start a stopped or failed agent; returns when it runs."""
        await self.parts.lifecycle.start(name)

    async def stop(self, name: str) -> None:
        """Stop an agent until it is started again; returns when it has ended."""
        await self.parts.lifecycle.stop(name)

    async def restart(self, name: str) -> None:
        """Stop an agent and start it again."""
        await self.parts.lifecycle.restart(name)

    async def register_peer(self, name: str) -> None:
        """Add a peer; returns when its socket listens."""
        await self.parts.lifecycle.register_peer(name)

    async def status(self, name: str) -> StatusRow:
        """Return the status row of one participant."""
        return await self.parts.snapshot.row(self.parts.registry.get(name))

    async def until_state(self, name: str, state: str, *, within: float = 30.0) -> StatusRow:
        """Wait until a participant is in a state, for instance "running" or "failed".

        Raises:
            TimedOutError: When it was not in time.
        """
        changed = asyncio.Event()
        unsubscribe = self.parts.registry.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(within):
                while (row := await self.status(name)).state != state:
                    await changed.wait()
                    changed.clear()
                return row
        except TimeoutError:
            raise TimedOutError(
                f"{name!r} is {(await self.status(name)).state!r} and did not become {state!r} "
                f"within {within:g} s"
            ) from None
        finally:
            unsubscribe()

    async def client(self, name: str) -> ManagerClient:
        """Return a client at a participant's socket; it is closed with the hive."""
        participant = self.parts.registry.get(name)
        client = ManagerClient(self.paths.agent_socket(participant.name), random=self._random)
        client.open()
        self._clients.append(client)
        return client

    def _session(self) -> LocalSession:
        """Return the operator's session; a new one after a restart of the broker."""
        if self._operator is None or not self._operator.is_open:
            self._operator = LocalSession(self.parts.broker, OPERATOR, Kind.OPERATOR)
        return self._operator

    # Start and stop

    def _prepare(self) -> None:
        self.paths.check_sockets([*self._config.all_agents(), *self._config.peers])
        try:
            make_directory(self.paths.state_dir, STATE_DIR_MODE)
            make_directory(self.paths.run_dir, RUN_DIR_MODE)
            make_directory(self.paths.agents_state_dir, STATE_DIR_MODE, narrow=True)
            make_directory(self.paths.proposed_dir, STATE_DIR_MODE, narrow=True)
            make_directory(self.paths.agents_run_dir, RUN_DIR_MODE, narrow=True)
        except OSError as error:
            raise FailedError(
                f"cannot make {error.filename}: {error.strerror}; make a directory of this user "
                "there, or set HYPERHIVE_STATE_DIR and HYPERHIVE_RUN_DIR"
            ) from error
        if (why := why_no_export(self._config, LocalLookup())) is not None:
            raise FailedError(f"[otel] of hive.toml has an endpoint, and {why}")
        for lock in self._locks:
            lock.acquire()
        # What reads the disk, once and not on the loop's thread.
        driver_names()
        host_timezone()
        program = find_git()
        self._git = Git(program) if program is not None else None
        self._nix = find_nix()

    async def _start(self) -> None:
        """Acquire one resource after the other, each with its release."""
        self._resources.push_async_callback(self._remove_temporary)
        for lock in self._locks:
            self._resources.callback(lock.release)
        await shield_until_done(asyncio.to_thread(self._prepare))
        self._resources.push_async_callback(self._runtime.close)
        await self._runtime.open()
        dependencies = Dependencies(
            self.paths,
            self._runtime,
            self._clock,
            self._random,
            self._engine,
            self._git,
            self._nix,
            self._read_config,
            machine_defaults_of(self._config),
            self._read_pressures,
            self._disks,
            self._environ.get("PATH"),
            self._locks[1].restore,
            self._config_file,
        )
        wiring = self._wiring = Wiring(self._config, dependencies, self.shutdown)
        if self._on_event is not None:
            wiring.events.subscribe(self._on_event)
        await self._resources.enter_async_context(wiring.system)
        try:
            self._root = await wiring.system.start_supervisor(wiring.root(), name=ROOT)
        except StartError as error:
            raise _cause(error) from error
        wiring.gate.open()
        await report_unwatched_ends(self._runtime, wiring.events, wiring.registry)
        await wiring.lifecycle.strays.report()
        await wiring.moves.finish()
        wiring.peer_watch.open()
        if wiring.telemetry is not None:
            wiring.telemetry.open()
        wiring.events.record(EventKind.DAEMON_STARTED, pid=os.getpid())

    async def _close(self) -> None:
        try:
            await self._stop()
        finally:
            await self._release()

    def _closed(self, closing: asyncio.Future[None]) -> None:
        self._closing = None

    async def _stop(self) -> None:
        if self._wiring is None:
            return
        for client in self._clients:
            await client.close()
        self._clients.clear()
        if self._root is not None and self._root.ref.alive:
            if self._keep_agents:
                self._wiring.lifecycle.set_on_exit(OnExit.KEEP)
                self._wiring.events.record(EventKind.DAEMON_STOPPING, keep_agents=True)
            await self.stop_agents()
            await self._wiring.system.stop(self._root.ref)
        await self._wiring.close()

    async def _release(self) -> None:
        """Release all resources, the last first."""
        try:
            await self._resources.aclose()
        finally:
            self._wiring = self._stopping = None

    async def _remove_temporary(self) -> None:
        for directory in self._temporary:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _directory(self, given: Path | str | None) -> Path:
        if given is not None:
            return Path(given).absolute()
        made = Path(tempfile.mkdtemp(prefix="hive-"))
        self._temporary.append(made)
        return made

    def _default_runtime(self, agents: Mapping[str, AgentCoroutine] | None) -> Runtime:
        if agents is None:
            by_others = ByOthers(self._on_external_start, self._on_external_restart)
            return runtime_of(self._config, self.paths, self._clock, self._environ, by_others)
        return FunctionRuntime(
            agents, self._connect, disconnect=ManagerClient.close, clock=self._clock
        )

    async def _on_external_start(self, name: str) -> None:
        if self._wiring is not None:
            await self._wiring.lifecycle.strays.appeared(name)

    def _on_external_restart(self, name: str, running: Running, reason: str) -> None:
        if self._wiring is not None:
            self._wiring.lifecycle.strays.record_restart(name, running, reason)

    async def _connect(self, name: str) -> ManagerClient:
        client = ManagerClient(self.paths.agent_socket(name), random=self._random)
        client.open()
        return client


def _configured(
    config: HiveConfig | None, agents: Mapping[str, AgentCoroutine] | None, peers: Iterable[str]
) -> HiveConfig:
    """Return the configuration with functions as agents and further peers.

    Raises:
        BadRequestError: It has agents, and there are functions, too.
        ConfigError: A name is none for an agent or a peer, as in hive.toml.
    """
    if agents is not None and config is not None and (config.agents or config.manager):
        raise BadRequestError(
            "an embedded hive runs either the agents of its configuration or functions, not both"
        )
    base = config or HiveConfig()
    functions = dict.fromkeys(agents, IN_PROCESS) if agents is not None else {}
    manager = functions.pop(MANAGER, base.manager)
    configured = attrs.evolve(
        base,
        manager=manager,
        agents={**base.agents, **functions},
        peers={**base.peers, **{name: PeerConfig() for name in peers}},
    )
    require_valid_names(configured)
    return configured


def _cause(error: StartError) -> BaseException:
    """Return the error for the operator: our own if that is the reason, else `error`."""
    match error.reason:
        case StartFailed(HiveError() as reason):
            return reason
        case _:
            return error
