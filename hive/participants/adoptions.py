"""Adoptions: a manifest for a peer is found or proposed, and waits for the operator's approval.

The manifest is that of hive.toml if it has an agent of the name; else the one that the operator
gives; else one that is read from the peer's container. What is approved is stored with the
approval, so that nothing that changes afterwards changes what is carried out.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from attrs import field, frozen

from hive.approvals.approval_queue import ApprovalQueue, Decider
from hive.approvals.decisions import OperatorChoice
from hive.approvals.terms import Terms
from hive.config import (
    AgentManifest,
    RuntimeName,
    manifest_from_json,
    manifest_to_json,
    read_manifest,
)
from hive.errors import BadRequestError, ConflictError, FailedError, NotAllowedError
from hive.machines.found_container import ContainerReader, FoundContainer
from hive.names import OPERATOR, container_name
from hive.participants import moving
from hive.participants.manifest_proposal import (
    AgentProgram,
    ManifestProposal,
    new_manifest,
    propose_manifest,
)
from hive.participants.moves import Moved, Moves, MoveServices
from hive.participants.participant import Agent, Peer
from hive.store.approvals import Approval, ApprovalKind, ApprovalState


@frozen(kw_only=True)
class AdoptionWish:
    """What the operator or the manager wants.

    Attributes:
        name: The peer.
        text: The manifest, an `agent.toml`; None to find one.
        path: Where the text is from; None for a text without a file.
        program: What the agent runs, if the manifest is read from its container.
        stop: Whether its container may be stopped.
        terms: Who asks, and why.
    """

    name: str
    text: str | None = None
    path: Path | None = None
    program: AgentProgram = field(factory=AgentProgram)
    stop: bool = False
    terms: Terms = field(factory=Terms)


@frozen
class Adoption:
    """An adoption that is possible.

    Attributes:
        manifest: The manifest.
        proposal: The manifest in words for the operator.
        machine: The container that is taken over; None if there is none.
        own: Its container, if that has the name of an agent's already.
        refusal: Why it cannot be carried out as things are; None if it can.
    """

    manifest: AgentManifest
    proposal: ManifestProposal
    machine: str | None = None
    own: str | None = None
    refusal: str | None = None


class Adoptions:
    """Proposes adoptions, and carries out those that are approved.

    Args:
        services: The objects of the hive that it uses.
        moves: Makes a peer an agent.
        approvals: What waits for the operator.
        reader: Reads containers; None where there are none.
    """

    def __init__(
        self,
        services: MoveServices,
        moves: Moves,
        approvals: ApprovalQueue,
        reader: ContainerReader | None,
    ) -> None:
        self._services = services
        self._moves = moves
        self._approvals = approvals
        self._reader = reader

    async def look(self, wish: AdoptionWish) -> Adoption:
        """Return the adoption of a peer, without changing anything.

        Raises:
            BadRequestError: Its name is too long for an agent, or there is no manifest.
            ConfigError: The manifest cannot be used.
            NotAllowedError: It is an agent already.
            UnknownNameError: There is no such participant.
        """
        peer = self._peer(wish.name)
        name = moving.check_adoptable(peer.name)
        found = await self._container_of(peer)
        manifest, proposal = await self._manifest(wish, peer, found)
        machine = name if found is None else found.machine
        runtime = self._services.services.runtime
        try:
            has_machine = not (found and found.declared) and await runtime.can_take_over(
                machine, name, stop=wish.stop
            )
        except (ConflictError, NotAllowedError, FailedError) as error:
            return Adoption(manifest, proposal, refusal=str(error))
        taken = machine if has_machine else None
        own = container_name(name) if found and found.machine == container_name(name) else None
        refusal = _refusal(peer, found, taken, stop=wish.stop)
        # A participant must not find out which files the host has: its wish is checked later.
        if refusal is None and wish.terms.by == OPERATOR:
            refusal = await asyncio.to_thread(self._missing, name, manifest)
        return Adoption(manifest, proposal, taken, own, refusal)

    async def propose(self, wish: AdoptionWish) -> Approval:
        """Submit an adoption for approval.

        Raises:
            ConflictError: It waits already, or it cannot be carried out as things are.
            HiveError: See `look`.
        """
        adoption = await self.look(wish)
        if adoption.refusal is not None:
            raise ConflictError(adoption.refusal)
        machine = adoption.machine
        detail = {
            "subject": _subject(adoption, self._services.services.runtime.name, stop=wish.stop),
            "manifest": json.loads(manifest_to_json(adoption.manifest)),
            "is_given": adoption.proposal.is_given,
            "machine": machine,
            "stop": wish.stop,
        }
        draft = wish.terms.draft(ApprovalKind.ADOPT, wish.name, self._services.clock.now(), detail)
        return await self._approvals.submit(draft, wish.terms.origin)

    async def adopt(self, wish: AdoptionWish) -> Moved:
        """Propose, approve and carry out an adoption; returns when the agent runs.

        Raises:
            FailedError: It is approved, and carrying it out has failed.
            HiveError: See `propose`.
        """
        approval = await self.propose(wish)
        await self._approvals.decide(
            approval.id, OperatorChoice.APPROVE, Decider(wish.terms.origin), note="adopt --yes"
        )
        ended = await self._approvals.wait_carried_out(approval.id)
        if ended.state is ApprovalState.FAILED:
            raise FailedError(f"{wish.name!r} could not be adopted: {ended.error}")
        config = await self._services.read_config()
        return Moved(advice=moving.advice_after_adoption(wish.name, config))

    async def carry_out(self, approval: Approval) -> None:
        """Carry out an approved adoption. Idempotent.

        Raises:
            ConflictError: Its container runs and may not be stopped, this machine lacks what the
                manifest names, or it was adopted meanwhile with another manifest.
            FailedError: Its container could not be taken over, or not be started.
        """
        detail = approval.details
        manifest = manifest_from_json(json.dumps(detail["manifest"]))
        runtime, machine = self._services.services.runtime, detail["machine"]
        participant = self._services.registry.get(approval.name)
        if isinstance(participant, Agent):
            await self._check_same(participant, manifest)
        elif missing := await asyncio.to_thread(self._missing, approval.name, manifest):
            raise ConflictError(missing)
        elif machine is not None:
            await runtime.take_over(machine, approval.name, stop=detail["stop"])
        await self._moves.adopt(approval.name, manifest, by=approval.decided_by or OPERATOR)

    def _peer(self, name: str) -> Peer:
        participant = self._services.registry.get(name)
        if isinstance(participant, Peer):
            return participant
        raise NotAllowedError(
            f"{participant.name!r} is an agent already; only a peer can be adopted"
        )

    def _missing(self, name: str, manifest: AgentManifest) -> str | None:
        """Return what the manifest names and this machine lacks; None for nothing. Blocks."""
        problems = "; ".join(self._services.services.checks.problems(manifest))
        return f"{name!r} could not run as an agent: {problems}" if problems else None

    async def _check_same(self, agent: Agent, manifest: AgentManifest) -> None:
        """Raise ConflictError unless an agent is what an earlier daemon made by this adoption."""
        table = (await self._services.read_config()).agents.get(agent.name)
        if agent.settings != (table or manifest):
            raise ConflictError(
                f"{agent.name!r} became an agent meanwhile, with another manifest; nothing of this "
                f"one is in force ('hive-c0re show {agent.name}' prints what is)"
            )

    async def _container_of(self, peer: Peer) -> FoundContainer | None:
        if self._reader is None:
            return None
        return await self._reader.read(peer.observe or peer.name)

    async def _manifest(
        self, wish: AdoptionWish, peer: Peer, found: FoundContainer | None
    ) -> tuple[AgentManifest, ManifestProposal]:
        """Return the manifest, and its text for the operator."""
        config = await self._services.read_config()
        table = config.agents.get(peer.name)
        if table is not None:
            return table, ManifestProposal(
                f"# [agents.{peer.name}] of hive.toml is its manifest.\n"
            )
        if wish.text is not None:
            proposal = ManifestProposal(wish.text, is_given=True)
        elif found is not None:
            proposal = propose_manifest(found, wish.program, peer.record.description, config)
        elif wish.program.is_given:
            proposal = new_manifest(peer.name, wish.program, peer.record.description, config)
        else:
            raise BadRequestError(
                f"nothing says what {peer.name!r} is as an agent: it has no table in hive.toml, "
                "and no container of this machine is found for it; give its manifest ('hive-c0re "
                f"adopt {peer.name} --file agent.toml') or its program ('hive-c0re adopt "
                f"{peer.name} -- PROGRAM')"
            )
        path = None if wish.text is None else wish.path
        return await asyncio.to_thread(read_manifest, proposal.text, path, config), proposal


def _subject(adoption: Adoption, runtime: str, *, stop: bool) -> str:
    """Return what an approval of an adoption says about the container."""
    if adoption.machine is None:
        if adoption.own is not None:
            return f"keeps its container {adoption.own}"
        return f"gets a {'process' if runtime == RuntimeName.PROCESS else 'container'} of its own"
    stopped = ", which is stopped for it" if stop else ""
    return f"takes over the container {adoption.machine}{stopped}"


def _refusal(
    peer: Peer, found: FoundContainer | None, machine: str | None, *, stop: bool
) -> str | None:
    """Return why an adoption cannot be carried out as things are; None if it can."""
    if found is not None and found.declared:
        return _declared(peer.name, found)
    if peer.presence.connected and not (machine and stop):
        return (
            f"{peer.name!r} is connected, and two programs would share its inbox; end the one that "
            "runs as this peer, then adopt"
        )
    return None


def _declared(name: str, found: FoundContainer) -> str:
    return (
        f"{found.unit} is declared in the host's own configuration, which would write it again, so "
        f"it cannot be adopted in place: take 'containers.{found.machine}' out of "
        f"configuration.nix and switch, then repeat this with '--file agent.toml'; the agent gets "
        f"a container {container_name(name)} of its own, to which [[bind]] gives the data of the "
        f"old one ('hive-c0re adopt {name} --dry-run' prints a manifest with its binds)"
    )
