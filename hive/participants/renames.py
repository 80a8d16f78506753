"""Renames: a participant gets another name, and its mail and its files move along.

One write is the commit point: the participant, its inbox, its groups and all that refers to it, and
the rename itself. The files move after it. If the daemon ends before that is done, the next one
goes on with it before it starts any participant. A peer whose files cannot move, or whose socket
cannot be opened under the new name, gets its old name back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hive.base_directories import check_socket_path
from hive.broker.values import RenameInbox
from hive.errors import ConflictError, FailedError, HiveError, NotAllowedError
from hive.event_log import EventKind
from hive.names import container_name
from hive.participants import moving
from hive.participants.lifecycle import Lifecycle
from hive.participants.moves import Moved, MoveServices
from hive.participants.participant import Agent, OnExit, Participant, Peer
from hive.participants.registry import participant_of
from hive.participants.start_waits import check_member, wait_until_listening
from hive.paths import Paths
from hive.store import NO_ORIGIN, Desired, Origin, ParticipantRecord
from hive.store.move_rows import finished, rename, unfinished


class Renames:
    """Renames participants.

    Args:
        services: The objects of the hive that it uses.
        lifecycle: Stops and starts an agent.
        paths: Directories of the participants.
        renamed: Called with both names when a rename is on disk.
    """

    def __init__(
        self,
        services: MoveServices,
        lifecycle: Lifecycle,
        paths: Paths,
        renamed: tuple[Callable[[str, str], None], ...] = (),
    ) -> None:
        self._services = services
        self._lifecycle = lifecycle
        self._paths = paths
        self._renamed = renamed

    async def rename(
        self, old: str, new: str, *, restart: bool = False, origin: Origin = NO_ORIGIN
    ) -> Moved:
        """Rename a peer, or an agent that is stopped.

        Args:
            old: The name.
            new: The new name.
            restart: Stop an agent that runs, and start it afterwards.
            origin: Who asks.

        Raises:
            BadRequestError: The new name breaks a rule, or the path of its socket is too long.
            ConfigError: It could not be started afterwards, since something is missing.
            ConflictError: It runs, a deploy of it has not ended, or something has the new name.
            FailedError: A peer keeps its name, since its files or its socket could not follow. An
                agent has its new name, but not all of its files are moved; the next start of the
                daemon goes on with it.
            NotAllowedError: It is the manager, or its runtime cannot rename it.
            UnknownNameError: There is no such participant.
        """
        registry = self._services.registry
        participant = registry.get(old)
        old = participant.name
        moving.check_new_name(participant.record, new)
        self._paths.check_sockets([new])
        await self._require_possible(participant, new, restart=restart)
        config = await self._services.read_config()
        starts = isinstance(participant, Agent) and participant.record.desired is Desired.RUNNING
        if isinstance(participant, Agent):
            await self._lifecycle.stop(old)
        try:
            async with participant.lifecycle_lock:
                check_member(registry, participant)
                self._require_free(new)  # again: another request may have taken it meanwhile
                record = moving.renamed(participant.record, new, config, self._moved(old, new))
                await self._rename(participant, record, origin)
        except HiveError:
            if starts and registry.is_member(participant):
                await self._lifecycle.start(old)
            raise
        if starts and restart:
            await self._lifecycle.start(new)
        return Moved(advice=moving.advice_after_rename(old, new, config))

    async def finish(self) -> None:
        """Move the files of the renames that an earlier daemon has not finished."""
        for each in await self._services.store.read(unfinished):
            if each.before is not None:
                with suppress(FailedError):  # it is recorded, and the next start tries again
                    await self._finish(each.before, each.name)

    async def _require_possible(self, participant: Participant, new: str, *, restart: bool) -> None:
        services, old = self._services, participant.name
        check_socket_path(self._paths.agent_socket(new))
        self._require_free(new)
        left = await asyncio.to_thread(_existing, self._paths.named_after(new))
        if left:
            raise ConflictError(
                f"{left[0]} of an earlier {new!r} exists; 'hive-c0re destroy --purge {new}' "
                "removes such files, or choose another name"
            )
        mounts = await asyncio.to_thread(_mount_points, self._paths.named_after(old))
        if mounts:
            raise ConflictError(
                f"something is mounted at {mounts[0]}, which the kernel does not rename; unmount "
                "it first, and mount it again at the new name"
            )
        await services.require_no_deploy(old)
        if not isinstance(participant, Agent):
            return
        services.services.checks.require_thawed(old)
        if not restart and participant.record.desired is Desired.RUNNING:
            raise ConflictError(
                f"{old!r} is not stopped, and its container keeps its name while it runs; "
                f"'hive-c0re stop {old}' first, or add '--restart'"
            )
        if (participant.settings.flake or "").startswith(f"path:{self._paths.meta_dir}#"):
            raise NotAllowedError(
                f"the NixOS system of {old!r} is built under its name from its agent.nix; propose "
                f"that file for a new agent {new!r}, and destroy {old!r}"
            )
        if participant.record.desired is Desired.RUNNING:
            await services.services.checks.require(old, participant.settings)
        runtime = services.services.runtime
        await runtime.can_take_over(container_name(old), new, stop=True)

    def _require_free(self, new: str) -> None:
        if new in self._services.registry:
            raise ConflictError(f"there is already a participant {new!r}; choose another name")

    def _moved(self, old: str, new: str) -> dict[Path, Path]:
        return dict(zip(self._paths.named_after(old), self._paths.named_after(new), strict=True))

    async def _rename(self, before: Participant, record: ParticipantRecord, origin: Origin) -> None:
        """Replace a participant by one with another name; of a peer, all or nothing."""
        old, new = before.name, record.name
        after = participant_of(record)
        async with after.lifecycle_lock:
            await self._replace(before, after, origin, f"from {old}")
            if isinstance(after, Agent):
                await self._finish(old, new)
                return
            try:
                await self._bring_up(old, after)
            except (HiveError, OSError) as error:
                why = f"{old!r} keeps its name: {error}"
                await self._undo(before, after, origin, why)
                raise FailedError(why) from error

    async def _replace(
        self, before: Participant, after: Participant, origin: Origin, reason: str
    ) -> None:
        """Write a rename, and replace the participant, which has no actor then."""
        services, old, new = self._services, before.name, after.name
        registry, broker = services.registry, services.services.broker
        if isinstance(before, Agent):
            before.on_exit = OnExit.KEEP
        await services.supervision.terminate(before)
        registry.replace(before, after)
        entry = services.entry("rename", new, origin=origin, reason=reason)
        try:
            await broker.ask(RenameInbox(old, new, rename(old, after.record, entry)))
        except HiveError:
            registry.replace(after, before)
            broker.add_participant(before.record)
            await services.restart_actor(before)
            raise
        broker.add_participant(after.record)
        for renamed in self._renamed:
            renamed(old, new)
        await services.supervision.delete(before)
        services.events.record(EventKind.RENAMED, new, before=old)

    async def _bring_up(self, old: str, peer: Participant) -> None:
        """Move the files of a peer that had another name, and wait until its socket listens.

        Raises:
            FailedError: Its socket cannot be opened.
            OSError: Something cannot be moved.
        """
        assert isinstance(peer, Peer)
        await self._move(old, peer.name)
        await self._services.supervision.start_peer(peer)
        await wait_until_listening(self._services.registry, peer)

    async def _undo(
        self, before: Participant, after: Participant, origin: Origin, why: str
    ) -> None:
        """Give a peer its old name back; if its socket does not open there either, it retries."""
        again = participant_of(before.record)
        async with again.lifecycle_lock:
            await self._replace(after, again, origin, why)
            with suppress(HiveError, OSError):
                await self._bring_up(after.name, again)

    async def _finish(self, old: str, new: str) -> None:
        """Move the files of a rename, and its container. Idempotent.

        Raises:
            FailedError: Something cannot be moved.
        """
        try:
            await self._move(old, new)
        except (HiveError, OSError) as error:
            what = f"{old!r} is {new!r} now, but not all of its files are moved: {error}"
            self._services.events.record(EventKind.TROUBLE, new, what=what)
            raise FailedError(f"{what}; the next start of the daemon tries again") from error

    async def _move(self, old: str, new: str) -> None:
        await asyncio.to_thread(self._move_files, old, new)
        if self._is_agent(new):
            await self._services.services.runtime.take_over(container_name(old), new)
        await self._services.store.write(finished(new))

    def _is_agent(self, name: str) -> bool:
        registry = self._services.registry
        return name in registry and isinstance(registry.get(name), Agent)

    def _move_files(self, old: str, new: str) -> None:
        pairs = zip(self._paths.named_after(old), self._paths.named_after(new), strict=True)
        for before, after in pairs:
            if before.exists() and not after.exists():
                before.rename(after)


def _existing(paths: tuple[Path, ...]) -> list[Path]:
    return [path for path in paths if path.exists()]


def _mount_points(paths: tuple[Path, ...]) -> list[Path]:
    return [path for path in paths if path.is_mount()]
