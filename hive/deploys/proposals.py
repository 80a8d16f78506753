"""Proposals: a commit of the manager is imported, checked and submitted for approval.

From the import on, nothing that happens in the proposed repository changes what the operator is
shown and what is built. A proposal that cannot be used is refused before anything waits.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from attrs import evolve, frozen

from hive.approvals.approval_queue import ApprovalQueue
from hive.clock import Clock
from hive.config import MANIFEST_BYTES, MANIFEST_FILE, AgentManifest, HiveConfig, read_manifest
from hive.config.existence import LocalLookup
from hive.deploys.commit_lookup import CommitFile, CommitLookup
from hive.errors import BadRequestError, ConflictError, NotAllowedError, NotFoundError
from hive.executables import HEAD_BYTES
from hive.flakes.flake_check import FLAKE_BYTES, FlakeCheck
from hive.flakes.flake_texts import AGENT_MODULE, FLAKE, Pin
from hive.flakes.lock_file import LOCK, LOCK_BYTES
from hive.flakes.meta_flake import MetaFlake
from hive.git.applied import AppliedRepository, CommitInfo, require_commit_id
from hive.git.proposed import newest_commit
from hive.git.repositories import Repositories
from hive.names import MANAGER, OPERATOR, SYSTEM, check_agent_name
from hive.participants.registry import Registry
from hive.store import NO_ORIGIN, Origin, ParticipantOrigin
from hive.store.approvals import Approval, ApprovalKind
from hive.store.deploys import Deploy
from hive.wire.enums import OnExpiry

ABOUT_THOSE_THERE = frozenset(
    {
        *(ApprovalKind.APPLY_COMMIT, ApprovalKind.ADOPT),
        *(ApprovalKind.RELEASE, ApprovalKind.SCHEDULE),
    }
)
"""Kinds of approvals that end when the participant they are about is removed."""


@frozen
class Proposal:
    """A proposed configuration.

    Attributes:
        name: The agent, new or existing.
        commit: The id of the commit in its proposed repository, whole or the beginning of it.
        requested_by: The participant that proposes.
        description: Its words for the operator.
        ttl: Seconds after which `on_expiry` happens; None for no deadline.
        origin: The socket of the request and the process at its other end.
    """

    name: str
    commit: str
    requested_by: str
    description: str | None = None
    ttl: float | None = None
    on_expiry: OnExpiry = OnExpiry.HOLD
    origin: Origin = NO_ORIGIN


class Proposals:
    """Takes proposals and shows what they change.

    Args:
        repositories: The repositories of agents.
        approvals: What waits for the operator.
        registry: The participants.
        clock: Wall time.
        config: Returns the configuration of the hive, which a manifest has to fit.
        programs: Looks for programs; None where those of agents are not this machine's.
        meta: The flake with the systems of agents; None under other runtimes than that of NixOS.
        flake_check: Checks the flakes of proposals; None likewise.
    """

    def __init__(
        self,
        repositories: Repositories,
        approvals: ApprovalQueue,
        registry: Registry,
        clock: Clock,
        config: Callable[[], HiveConfig],
        *,
        programs: LocalLookup | None,
        meta: MetaFlake | None = None,
        flake_check: FlakeCheck | None = None,
    ) -> None:
        self._repositories = repositories
        self._approvals = approvals
        self._registry = registry
        self._clock = clock
        self._config = config
        self._programs = programs
        self._meta = meta
        self._flake_check = flake_check
        # One import at a time in the whole hive: each needs memory and a processor.
        self._imports = asyncio.Lock()

    async def open(self) -> None:
        """Tag what an import did not tag when the daemon was killed."""
        for approval in self._approvals.pending:
            if approval.has_commit:
                await self._tag(self._repositories.applied(approval.name), approval)

    async def remove_leftovers(self) -> None:
        """Remove what an earlier daemon has left; only before anything is carried out."""
        await asyncio.to_thread(self._repositories.remove_leftovers)

    async def propose(self, proposal: Proposal) -> Approval:
        """Import a commit and submit it for approval.

        Raises:
            BadRequestError: The name, the commit or the manifest cannot be used.
            NotAllowedError: The name is that of a peer.
            ConflictError: The commit runs already, or waits already.
        """
        kind = self._kind_of(proposal)
        repository = self._repositories.applied(proposal.name)
        async with self._imports:
            is_new = await repository.create()
            try:
                return await self._import(proposal, kind, repository)
            except BaseException:
                if is_new and await repository.is_empty():
                    await repository.remove()
                raise

    async def _import(
        self, proposal: Proposal, kind: ApprovalKind, repository: AppliedRepository
    ) -> Approval:
        source = self._repositories.proposed(proposal.name)
        async with repository.incoming(source, proposal.commit) as incoming:
            commit = incoming.commit
            lookup = await self._lookup(proposal.name, commit.sha, incoming.repository)
            await self._read_manifest(proposal.name, commit.sha, incoming.repository, lookup)
            await self._check_flake(commit.sha, incoming.repository)
            base = await repository.head()
            if base == commit.sha:
                raise ConflictError(
                    f"the commit {commit.sha[:12]} is what {proposal.name!r} runs already"
                )
            draft = self._draft(proposal, kind, commit, base)
            self._approvals.require_room(draft)
            await incoming.accept()
        approval = await self._approvals.submit(draft, proposal.origin)
        await self._tag(repository, approval)
        return approval

    async def _check_flake(self, sha: str, repository: AppliedRepository) -> None:
        """Require that the flake of a commit, if it is built of one, can be built of its lock."""
        if self._flake_check is None or not await self._has_module(sha, repository):
            return
        flake = await repository.read(sha, FLAKE, FLAKE_BYTES)
        if flake is not None:
            await self._flake_check.check(flake, await repository.read(sha, LOCK, LOCK_BYTES))

    def _draft(
        self, proposal: Proposal, kind: ApprovalKind, commit: CommitInfo, base: str | None
    ) -> Approval:
        now = self._clock.now()
        return Approval(
            kind,
            proposal.name,
            proposal.requested_by,
            now,
            sha=commit.sha,
            base=base,
            detail=json.dumps({"subject": commit.subject, "author": commit.author}),
            description=proposal.description,
            expires_at=None if proposal.ttl is None else now + proposal.ttl,
            on_expiry=proposal.on_expiry,
        )

    def waiting_of(self, name: str) -> tuple[Approval, ...]:
        """Return the approvals that a participant asked for and that wait, oldest first."""
        return self._approvals.requested_by(name)

    async def withdraw(self, number: int, by: str, origin: Origin) -> None:
        """Take back an approval that a participant asked for.

        Raises:
            NotFoundError: It has asked for none of that number.
            ConflictError: It was decided already.
        """
        approval = await self._approvals.find(number)
        if approval is None or approval.requested_by != by:
            raise NotFoundError(f"{by!r} has asked for no approval {number}")
        await self._approvals.cancel(number, by, f"{by} took it back", origin)

    async def cancel_orphans(self) -> None:
        """Cancel what waits about participants that are not there any more."""
        for approval in self._approvals.pending:
            if approval.kind in ABOUT_THOSE_THERE and approval.name not in self._registry:
                with suppress(ConflictError):
                    reason = f"{approval.name} was removed"
                    await self._approvals.cancel(approval.id, SYSTEM, reason)

    async def newest_commit(self, name: str) -> str:
        """Return the commit that a proposed repository is at.

        Raises:
            ConflictError: There is no such repository, or it cannot be read.
            NotFoundError: It has no commit yet.
        """
        return await asyncio.to_thread(newest_commit, self._repositories.proposed(name))

    async def manifest_of(self, name: str, sha: str) -> AgentManifest:
        """Return the manifest of a commit.

        Raises:
            BadRequestError: It has no `agent.toml`, or that is not UTF-8.
            ConfigError: It cannot be used, with line, key and remedy of every problem.
        """
        return await self._read_manifest(name, sha, self._repositories.applied(name))

    async def _lookup(
        self, name: str, sha: str, repository: AppliedRepository
    ) -> CommitLookup | None:
        """Return what looks for the programs of a commit; None where they are in a container."""
        if self._programs is None:
            return None
        files = {
            entry.path: CommitFile(entry.mode, content[:HEAD_BYTES])
            for entry, content in await repository.files(sha)
        }
        directory = self._repositories.deployed(name, sha)
        return CommitLookup(directory, sha, files, self._programs)

    async def _read_manifest(
        self,
        name: str,
        sha: str,
        repository: AppliedRepository,
        lookup: CommitLookup | None = None,
    ) -> AgentManifest:
        content = await repository.read(sha, MANIFEST_FILE, MANIFEST_BYTES)
        if content is None:
            raise BadRequestError(f"the commit {sha[:12]} has no plain file {MANIFEST_FILE}")
        title = f"{MANIFEST_FILE} of commit {sha[:12]}"
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise BadRequestError(f"{title} is not UTF-8 at byte {error.start}") from None
        path = self._repositories.deployed(name, sha) / MANIFEST_FILE
        manifest = await asyncio.to_thread(
            read_manifest, text, path, self._config(), title=title, lookup=lookup
        )
        if self._meta is not None and await self._has_module(sha, repository):
            return evolve(manifest, flake=self._meta.reference(name))
        return manifest

    async def pin_of(self, name: str, sha: str, tag: str) -> Pin | None:
        """Return what Nix builds of a commit; None if it describes no NixOS system.

        Args:
            name: The agent.
            sha: The commit.
            tag: A tag of the applied repository that is at it.
        """
        applied = self._repositories.applied(name)
        if not await self._has_module(sha, applied):
            return None
        files = {entry.path for entry in await applied.tree(sha)}
        return Pin(str(applied.path), f"refs/tags/{tag}", sha, FLAKE in files)

    async def _has_module(self, sha: str, repository: AppliedRepository) -> bool:
        """Return whether a commit describes a NixOS system."""
        return any(entry.path == AGENT_MODULE for entry in await repository.tree(sha))

    async def diff(
        self, approval: Approval, base: str | None = None, deployed: Deploy | None = None
    ) -> str:
        """Return what an approval changes, or has changed, as a patch.

        Args:
            approval: The approval.
            base: The commit to compare with; by default what ran before `deployed`, or runs now.
            deployed: The deploy that has carried it out.

        Raises:
            NotFoundError: It is not about a commit, or the agent has no commit `base`.
            BadRequestError: `base` is no id of a commit.
        """
        if base is not None:
            require_commit_id(base)
        if approval.sha is None:
            raise NotFoundError(
                f"approval {approval.id} is about no commit, so there is no diff; "
                f"'hive-c0re approval {approval.id}' shows what it asks for"
            )
        repository = self._repositories.applied(approval.name)
        if base is not None and not await repository.has(base):
            raise NotFoundError(
                f"the applied repository of {approval.name!r} has no commit {base}; 'hive-c0re "
                f"history {approval.name}' lists what it ran"
            )
        if base is None:
            base = await repository.head() if deployed is None else deployed.previous
        return await repository.diff(base, approval.sha)

    def _kind_of(self, proposal: Proposal) -> ApprovalKind:
        if proposal.name in self._registry:
            agent = self._registry.agent(proposal.name)
            if agent.record.origin is ParticipantOrigin.CONFIG:
                raise NotAllowedError(_described(agent.name, proposal.requested_by))
            return ApprovalKind.APPLY_COMMIT
        if proposal.name != MANAGER:
            check_agent_name(proposal.name)
        return ApprovalKind.SPAWN

    async def _tag(self, repository: AppliedRepository, approval: Approval) -> None:
        assert approval.sha is not None
        words = approval.description or "no description"
        message = f"proposed by {approval.requested_by}: {words}\n"
        await repository.tag(f"proposal/{approval.id}", approval.sha, message)


def _described(name: str, by: str) -> str:
    """Return why there is no proposal for an agent of hive.toml, and what is to be done."""
    if by == OPERATOR:
        return (
            f"{name!r} is described in hive.toml: change its table there, then 'hive-c0re reload'; "
            "or take the table out, 'hive-c0re reload --prune', and propose again"
        )
    return (
        f"{name!r} is described in hive.toml, which only the operator changes; ask for the change "
        "there, or for its table to be taken out"
    )
