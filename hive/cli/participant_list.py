"""Lists the participants of the hive for the operator."""

from __future__ import annotations

from collections.abc import Collection

from hive.cli import output
from hive.cli.requests import call
from hive.escapes import inline
from hive.names import MANAGER


def list_participants(agents: bool, peers: bool, as_json: bool) -> None:
    """Print the names of participants, their kinds, and what they are.

    Args:
        agents: Only the names of agents.
        peers: Only the names of peers.
        as_json: Print JSON.

    Raises:
        HiveError: The daemon cannot be asked, or these do not go together.
    """
    if agents and peers:
        raise output.misuse("list", "give --agents or --peers; without either, all are listed")
    only = "agents" if agents else "peers" if peers else None
    found = call("list")
    groups: dict[str, list[str]] = {"agents": found["agents"], "peers": found.get("peers", [])}
    if as_json:
        output.document(found, "Participants")
    elif not any(groups.values()) if only is None else not groups[only]:
        output.hint(f"No {only or 'participants'}.")
    elif only is not None:
        output.lines(inline(name) for name in groups[only])
    else:
        strays = found.get("strays") or ()
        queued = found.get("queued") or ()
        output.lines(_list_lines(groups, found.get("descriptions") or {}, strays, queued))
        for sentence in (found.get("conflicts") or {}).values():
            output.complain(sentence)


def _list_lines(
    groups: dict[str, list[str]],
    descriptions: dict[str, str],
    strays: Collection[str],
    queued: Collection[str],
) -> list[str]:
    """Return a line for each participant: its name, its kind, and what it is."""
    kinds = {name: "manager" if name == MANAGER else "agent" for name in groups["agents"]}
    kinds |= dict.fromkeys(groups["peers"], "peer")
    kinds |= {name: f"{kinds[name]}, stray" for name in strays if name in kinds}
    kinds |= {name: f"{kinds[name]}, queued" for name in queued if name in kinds}
    width = max((len(inline(name)) for name in kinds), default=0)
    column = max((len(kind) for kind in kinds.values()), default=0)
    return [
        f"{inline(name):{width}}  {kind:<{column}}  {inline(descriptions.get(name, ''))}".rstrip()
        for name, kind in kinds.items()
    ]
