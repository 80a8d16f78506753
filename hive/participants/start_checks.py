"""What must be there before an agent starts, checked at a request for its start.

A request that cannot succeed is refused before it changes anything, with what is missing and the
remedy. An automatic start is not checked: it tries, and `is_hopeless` decides about its failure.
"""

from __future__ import annotations

import asyncio

from attrs import evolve, frozen

from actors import Crashed, ExitReason
from hive.config import AgentManifest
from hive.config.existence import Lookup, missing_of
from hive.config.model import RuntimeName
from hive.config.table_schema import KeyPath
from hive.errors import ConfigError, ExitStatus, FailedError
from hive.exits import Ended, Exited
from hive.machines.runtime import CannotStartError
from hive.participants.freeze_rules import require_thawed
from hive.participants.machine_gate import MachineGate
from hive.participants.registry import Registry

_NOT_RUN = frozenset({Exited(200), Exited(203)})
"""Exit statuses of systemd for a service without its working directory or its program, see
systemd.exec(5), "Process exit codes"."""


class MachineEndedError(FailedError):
    """The agent's container ended in a way that counts as a failure."""


class MisconfiguredError(MachineEndedError):
    """It ended because its configuration is wrong: the next start would end likewise."""


@frozen
class StartChecks:
    """Checks requests for starts.

    Attributes:
        gate: Looks at the disks.
        runtime: Name of the runtime that starts the agents.
        lookup: Looks for programs and files.
        registry: Has the agents, which may be frozen.
    """

    gate: MachineGate
    runtime: str
    lookup: Lookup
    registry: Registry

    def require_thawed(self, name: str) -> None:
        """Check that an agent is not frozen.

        Raises:
            ConflictError: It is, or all agents are and there is none of that name.
        """
        require_thawed(name, self.registry.agents)

    async def require(self, name: str, manifest: AgentManifest) -> None:
        """Check that an agent can be started.

        Raises:
            ConfigError: Something that its manifest names is missing on this machine.
            ConflictError: It is frozen, see `require_thawed`.
            FailedError: A disk is nearly full.
        """
        self.require_thawed(name)
        await self.gate.require_disk(name)
        problems = await asyncio.to_thread(self.problems, manifest)
        if problems:
            raise ConfigError(f"{name!r} is not started: {'; '.join(problems)}")

    def problems(self, manifest: AgentManifest, table: KeyPath = ()) -> list[str]:
        """Return what a manifest, in this table of a file, names and this machine lacks. Blocks."""
        if self.runtime == RuntimeName.PROCESS:
            manifest = evolve(manifest, binds=())  # they have no effect there, present or not
        return [str(each) for each in missing_of(manifest, self.runtime, self.lookup, table)]


def failure_of(ended: Ended, *, has_harness: bool) -> MachineEndedError:
    """Return the failure that the end of an agent's machine is.

    Args:
        ended: The end, which is none that counts as success.
        has_harness: Whether the agent's program is the harness, whose exit statuses are known.
    """
    is_of_harness = has_harness and ended.how == Exited(ExitStatus.CONFIG)
    is_of_systemd = ended.result is not None and ended.how in _NOT_RUN
    kind = MisconfiguredError if is_of_harness or is_of_systemd else MachineEndedError
    return kind(str(ended))


def is_hopeless(reason: ExitReason) -> bool:
    """Return whether an agent's actor ended for a reason that a restart does not mend."""
    hopeless = (CannotStartError, ConfigError, MisconfiguredError)
    return isinstance(reason, Crashed) and isinstance(reason.error, hopeless)
