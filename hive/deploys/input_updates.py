"""Updates of the inputs that all NixOS systems are built of: what is there, and what is newer.

At submission the newer inputs are locked in a copy. That lock is stored with the approval, and its
digest is what the operator decides about, so nothing that is published afterwards changes what is
built. It replaces the lock that it was made from, and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from attrs import evolve, frozen

from hive.approvals.approval_queue import ApprovalQueue, Decider
from hive.approvals.decisions import OperatorChoice
from hive.approvals.terms import Terms
from hive.clock import DAY, Clock
from hive.deploys.deploy_queue import DeployQueue
from hive.errors import BadRequestError, ConflictError, NotFoundError
from hive.flakes.flake_texts import SharedInputs
from hive.flakes.lock_file import (
    LockNode,
    affected,
    differences,
    digest,
    own_inputs,
    parse_lock,
)
from hive.flakes.meta_flake import CurrentFlake, MetaFlake
from hive.names import EVERYONE, SYSTEM, suggest
from hive.participants.registry import Registry
from hive.store.approvals import Approval, ApprovalKind
from hive.store.deploys import Deploy, DeploySource

STALE_SECONDS = 30 * DAY
"""Age of the locked revision of an input from which it counts as stale."""

_SHOWN = 5


@frozen
class LockedInput:
    """An input as it is locked.

    Attributes:
        path: Its path, such as `nixpkgs` or `agent-alice/tools`.
        node: What it is locked to.
        wanted: The reference that hive.toml names, if the lock has another one.
    """

    path: str
    node: LockNode
    wanted: str | None = None

    def is_stale(self, now: float) -> bool:
        """Return whether its revision is old at the wall time `now`, or hive.toml names another."""
        modified = self.node.modified
        is_old = modified is not None and now - modified >= STALE_SECONDS
        return is_old or self.wanted is not None


class InputUpdates:
    """Lists inputs, and submits newer ones for approval.

    Args:
        meta: The flake with the systems of agents; None where none are built.
        approvals: What waits for the operator.
        deploys: Carries out what was approved.
        registry: The participants.
        clock: Wall time.
    """

    def __init__(
        self,
        meta: MetaFlake | None,
        approvals: ApprovalQueue,
        deploys: DeployQueue,
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._meta = meta
        self._approvals = approvals
        self._deploys = deploys
        self._registry = registry
        self._clock = clock
        self._locking = asyncio.Lock()

    async def inputs(self) -> list[LockedInput]:
        """Return the inputs as they are locked; reads the disk, and no network.

        Raises:
            ConflictError: No system was built yet, or this hive builds none.
        """
        meta = self._require_meta()
        current = await _current(meta)
        changed = _changed(current, meta)
        locked = own_inputs(parse_lock(current.lock))
        missing = {path: LockNode() for path in changed if path not in locked}
        return [
            LockedInput(path, node, changed.get(path)) for path, node in (locked | missing).items()
        ]

    async def submit(self, wanted: Sequence[str], terms: Terms) -> Approval:
        """Lock newer inputs in a copy, and submit the lock for approval.

        Args:
            wanted: Paths of inputs; all of them if there are none.
            terms: Who asks, why, and by when.

        Raises:
            BadRequestError: There is no such input.
            ConflictError: Nothing is newer, the same waits already, another is being locked, or
                this hive builds no NixOS systems.
            FailedError: One cannot be fetched, with the last lines of Nix.
        """
        meta = self._require_meta()
        async with self._alone():
            current = await _current(meta)
            paths = _known_paths(current, meta, wanted)
            shared = current.inputs.shared.taking(meta.shared, paths)
            unlocked = evolve(current, inputs=evolve(current.inputs, shared=shared))
            lock = await meta.lock_newer(unlocked, _in_flake(paths, shared))
            nothing = f"nothing is newer: {_list(paths)} cannot be updated"
            draft = self._draft(terms, nothing, current, evolve(unlocked, lock=lock))
            return await self._approvals.submit(draft, terms.origin)

    async def roll_back(self, to: int | None, decider: Decider) -> Approval:
        """Return to the inputs of an earlier lock, at once; the agents' commits stay.

        Args:
            to: The deploy that had those inputs; None for those before the newest update.
            decider: Who decides.

        Raises:
            NotFoundError: There is no such lock.
            ConflictError: The inputs are the same, others are being locked, or this hive builds no
                NixOS systems.
            FailedError: One cannot be fetched, with the last lines of Nix.
        """
        meta = self._require_meta()
        async with self._alone():
            current = await _current(meta)
            earlier = await _earlier(meta, to)
            inputs = evolve(current.inputs, shared=earlier.inputs.shared)
            unlocked = CurrentFlake(earlier.lock, inputs)
            lock = await meta.lock_newer(unlocked, ())
            which = "before the newest update" if to is None else f"of deploy {to}"
            terms = Terms(description=f"back to the inputs {which}", origin=decider.origin)
            nothing = f"the inputs {which} are those of now"
            draft = self._draft(terms, nothing, current, evolve(unlocked, lock=lock))
            submitted = await self._approvals.submit(draft, terms.origin)
        return await self._approvals.decide(
            submitted.id, OperatorChoice.APPROVE, decider, note=f"rollback '{EVERYONE}'"
        )

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self._locking.locked():
            raise ConflictError(
                "inputs are being locked for another request; wait for it, then ask again"
            )
        async with self._locking:
            yield

    def _draft(
        self, terms: Terms, nothing: str, before: CurrentFlake, after: CurrentFlake
    ) -> Approval:
        old, new = parse_lock(before.lock), parse_lock(after.lock, "the new lock")
        found = differences(old, new)
        if not found:
            raise ConflictError(f"{nothing}; nothing was submitted")
        agents = affected(old, new, [each for each in before.inputs.pins if each in self._registry])
        if not agents:
            changed = _list(each.path for each in found)
            raise ConflictError(f"no agent uses {changed}; nothing was submitted")
        detail = {
            "subject": _list(map(str, found)),
            "agents": agents,
            "changes": list(map(str, found)),
            **after.inputs.shared.references,
            "lock": after.lock.decode(),
        }
        draft = terms.draft(ApprovalKind.UPDATE_INPUTS, EVERYONE, self._clock.now(), detail)
        return evolve(draft, sha=digest(after.lock), base=digest(before.lock))

    async def carry_out(self, approval: Approval) -> None:
        """Deploy an approved lock; returns when its agents are healthy. Idempotent.

        Raises:
            FailedError: It failed, and the agents run what they ran before.
        """
        assert approval.sha is not None
        await self._deploys.complete(
            Deploy(
                EVERYONE,
                DeploySource.INPUTS,
                approval.sha,
                self._clock.now(),
                approval=approval.id,
                previous=approval.base,
                agents=tuple(approval.details["agents"]),
            )
        )

    async def cancel_outdated(self) -> None:
        """Cancel what waits for a lock that is not there any more."""
        waiting = [
            each for each in self._approvals.pending if each.kind is ApprovalKind.UPDATE_INPUTS
        ]
        if not waiting or self._meta is None:
            return
        current = await self._meta.current()
        base = None if current is None else digest(current.lock)
        for each in waiting:
            if each.base != base:
                with suppress(ConflictError):
                    reason = "a deploy has changed the lock since; ask again"
                    await self._approvals.cancel(each.id, SYSTEM, reason)

    def _require_meta(self) -> MetaFlake:
        if self._meta is None:
            raise ConflictError(
                "this hive builds no NixOS systems, so it has no inputs: that needs the runtime "
                "'nixos-container', git and nix"
            )
        return self._meta


def input_diff(approval: Approval) -> str:
    """Return what an update of inputs changes, a line for each input, and whom it restarts."""
    detail = approval.details
    return "\n".join([*detail["changes"], "", f"restarts {', '.join(detail['agents'])}", ""])


async def _current(meta: MetaFlake) -> CurrentFlake:
    current = await meta.current()
    if current is None:
        raise ConflictError(
            "no NixOS system was deployed yet, so there are no inputs; the first deploy of an "
            "agent with an agent.nix locks them"
        )
    return current


async def _earlier(meta: MetaFlake, to: int | None) -> CurrentFlake:
    """Return the flake whose inputs a rollback returns to."""
    found = await (meta.before_update() if to is None else meta.after_deploy(to))
    if found is not None:
        return found
    raise NotFoundError(
        "there was no update of inputs, so there is nothing to return to"
        if to is None
        else f"no lock of a deploy {to} is known; 'hive-c0re deploys' lists the deploys, and those "
        "that were deployed under nixos-container have one"
    )


def _changed(current: CurrentFlake, meta: MetaFlake) -> dict[str, str]:
    """Return the references of hive.toml that the flake does not have, by input."""
    there = current.inputs.shared.references
    return {name: url for name, url in meta.shared.references.items() if there.get(name) != url}


def _in_flake(paths: Sequence[str], shared: SharedInputs) -> list[str]:
    """Return the paths of inputs that the flake has; one that hive.toml dropped is not locked."""
    return [each for each in paths if "/" in each or each in shared.references]


def _known_paths(current: CurrentFlake, meta: MetaFlake, wanted: Sequence[str]) -> list[str]:
    known = {**own_inputs(parse_lock(current.lock)), **_changed(current, meta)}
    for each in wanted:
        if each not in known:
            near = suggest(each, known) or f"; there are: {_list(known)}"
            raise BadRequestError(f"there is no input {each!r}{near}")
    return list(dict.fromkeys(wanted)) or list(known)


def _list(things: Iterable[object]) -> str:
    words = list(map(str, things))
    more = len(words) - _SHOWN
    return ", ".join([*words[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
