"""The verbs that are refused while the daemon stops: those that start or change participants.

All others work until the sockets close. So an agent can deliver its last answers, and the operator
sees what the stop waits for, and can end it by `kill --force`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from hive.gateway.dispatch import Answer, Handler
from hive.wire import agent, attach, host, schedules
from hive.wire import change_requests as changes
from hive.wire.base import Request
from hive.wire.operator_asks import OtherAsk

REFUSED: frozenset[type[Request]] = frozenset(
    {
        *(host.Start, host.Restart, host.Rebuild, host.Spawn, host.Destroy),
        *(host.RegisterPeer, host.UnregisterPeer, host.Estop, host.Thaw, host.Drain),
        *(attach.Attach, attach.OpenShell),
        *(changes.Approve, changes.Deny, changes.RequestSpawn, changes.InitConfig),
        *(changes.CancelDeploy, changes.Rollback, changes.Reload, changes.UpdateInputs),
        *(changes.Release, changes.Adopt, changes.Rename),
        *(schedules.CreateSchedule, schedules.CancelSchedule),
        *(agent.StartAgent, agent.RestartAgent, agent.UpdateAgent),
        *(agent.RequestSpawnAgent, agent.RequestApplyCommit, *get_args(OtherAsk)),
    }
)
"""Verbs of both sockets that the daemon refuses once it stops."""


def while_stopping(table: Mapping[type[Request], Handler]) -> Mapping[type[Request], Handler]:
    """Return the handlers while the daemon stops."""
    return {each: _refuse if each in REFUSED else handler for each, handler in table.items()}


def _refuse(connection: Any, request: Any) -> Answer:
    raise connection.stop_refusal()
