"""Handlers of host.sock about the inputs that NixOS systems are built of."""

from __future__ import annotations

from hive.approvals.terms import Terms
from hive.clock import rfc3339
from hive.deploys.input_updates import LockedInput
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import approval_row
from hive.wire import change_requests as wire
from hive.wire.change_rows import InputRow


class InputHandlers(OperatorConnection):
    """The verbs about inputs."""

    __slots__ = ()

    @serves(wire.ListInputs)
    async def _inputs(self, request: wire.ListInputs) -> Fields:
        now = self.services.clock.now()
        return {"inputs": [_input_row(each, now) for each in await self.services.inputs.inputs()]}

    @serves(wire.UpdateInputs)
    async def _update_inputs(self, request: wire.UpdateInputs) -> Fields:
        terms = Terms(description=request.description, origin=self.origin)
        approval = await self.services.inputs.submit(request.inputs, terms)
        return {"approval": approval_row(approval, self.services.clock.now())}


def _input_row(found: LockedInput, now: float) -> InputRow:
    modified = found.node.modified
    return InputRow(
        name=found.path,
        reference=found.node.reference,
        revision=found.node.revision or None,
        modified_at=None if modified is None else rfc3339(modified),
        age_seconds=None if modified is None else round(max(0.0, now - modified), 3),
        stale=found.is_stale(now),
        wanted=found.wanted,
    )
