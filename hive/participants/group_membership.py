"""The groups of an agent's manifest: membership is brought in line at its start and at a reload."""

from __future__ import annotations

from collections.abc import Iterable

from hive.broker.service import BrokerService
from hive.wire.host import ChangeGroup


async def join_groups(
    broker: BrokerService, name: str, wanted: Iterable[str], former: Iterable[str]
) -> None:
    """Make a participant a member of groups, and take it out of those of a former manifest.

    Groups that neither manifest names stay as the operator has made them.

    Args:
        broker: Has the groups.
        name: The participant.
        wanted: The groups of its manifest.
        former: The groups of the manifest before that.

    Raises:
        HiveError: A change could not be stored.
    """
    wanted = set(wanted)
    members = broker.rules.sending.groups
    for group in sorted(wanted):
        if name not in members.get(group, ()):
            await broker.ask(ChangeGroup(name=group, add=[name]))
    for group in sorted(set(former) - wanted):
        if name in members.get(group, ()):
            await broker.ask(ChangeGroup(name=group, remove=[name]))
