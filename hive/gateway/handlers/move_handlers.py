"""Handlers of host.sock that make agents peers and peers agents, and rename both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hive.approvals.terms import Terms
from hive.errors import BadRequestError
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import approval_row
from hive.participants.adoptions import Adoption, AdoptionWish
from hive.participants.manifest_proposal import AgentProgram
from hive.participants.moves import Moved
from hive.wire import change_requests as wire


class MoveHandlers(OperatorConnection):
    """The verbs by which a participant changes its kind or its name."""

    __slots__ = ()

    @serves(wire.Release)
    async def _release(self, request: wire.Release) -> Fields:
        return _moved(await self.services.moves.release(request.name, self.origin))

    @serves(wire.Rename)
    async def _rename(self, request: wire.Rename) -> Fields:
        return _moved(
            await self.services.renames.rename(
                request.name, request.new, restart=request.restart, origin=self.origin
            )
        )

    @serves(wire.Adopt)
    async def _adopt(self, request: wire.Adopt) -> Fields:
        adoptions, wish = self.services.adoptions, self._wish(request)
        adoption = await adoptions.look(wish)
        if request.dry_run:
            return {**_adoption(adoption), **_present(refusal=adoption.refusal)}
        if request.approve:
            return {**_adoption(adoption), **_moved(await adoptions.adopt(wish))}
        row = approval_row(await adoptions.propose(wish), self.services.clock.now())
        return {**_adoption(adoption), "approval": row}

    def _wish(self, request: wire.Adopt) -> AdoptionWish:
        path = None if request.manifest_path is None else Path(request.manifest_path)
        if path is not None and not path.is_absolute():
            raise BadRequestError(f"'manifest_path' must be an absolute path, {path} is not")
        return AdoptionWish(
            name=request.name,
            text=request.manifest,
            path=path,
            program=AgentProgram(request.driver, tuple(request.run or ())),
            stop=request.stop,
            terms=Terms(origin=self.origin),
        )


def _adoption(adoption: Adoption) -> dict[str, Any]:
    proposal = adoption.proposal
    return {
        "manifest": proposal.text,
        "notes": list(proposal.notes),
        **_present(machine=adoption.machine),
    }


def _moved(moved: Moved) -> dict[str, Any]:
    return _present(unit=moved.unit, advice=moved.advice)


def _present(**fields: str | None) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
