"""The check before a start: systemd must neither start nor restart the container by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import frozen

from hive.errors import FailedError
from hive.machines.runtime import CannotStartError
from hive.machines.systemd.service_manager import ANSWER_SECONDS, checked
from hive.restarters import (
    SHOW,
    Restarter,
    Shown,
    by_id,
    find_restarters,
    named_units,
    read_text,
)
from hive.subprocesses import RunCommand


class OtherRestarterError(CannotStartError):
    """The container is not started, because systemd would start or restart it, too."""


@frozen
class RestarterCheck:
    """Asks systemd what else starts or restarts a container.

    Attributes:
        run: Runs `systemctl show`, and nothing else.
    """

    run: RunCommand

    async def find(self, unit: str) -> tuple[Restarter, ...]:
        """Return what starts or restarts a unit beside the hive.

        Raises:
            FailedError: systemd gave no answer.
        """
        shown = (await self._show([unit])).get(unit)
        if shown is None:
            raise FailedError(f"systemctl show says nothing about {unit}")
        names = named_units(shown)
        others = await self._show(names) if names else {}
        return await asyncio.to_thread(find_restarters, shown, others, read_text)

    async def require_none(self, name: str, unit: str) -> None:
        """Check that the hive alone starts and restarts an agent's container.

        Raises:
            OtherRestarterError: Something else does, with what to change.
            FailedError: systemd gave no answer.
        """
        found = await self.find(unit)
        if found:
            raise OtherRestarterError(
                f"{name} is not started, since hive-c0re and systemd would both restart it: "
                + "; ".join(map(str, found))
            )

    async def _show(self, units: Sequence[str]) -> dict[str, Shown]:
        outcome = checked(await self.run((*SHOW, *units), deadline=ANSWER_SECONDS))
        return by_id(outcome.out)
