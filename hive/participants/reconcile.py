"""Merge hive.toml into the records of the store, when the daemon starts.

The file has participants and their manifests. The store has the desired state (stopped, paused)
and the participants that were created by command. A line missing in the file removes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from hive.config import AgentManifest, HiveConfig, PeerConfig, manifest_to_json
from hive.errors import ConfigError
from hive.participants.participant import new_agent, new_peer, peer_settings
from hive.store import Kind, ParticipantOrigin, ParticipantRecord

Records = Mapping[str, ParticipantRecord]


def reconcile(
    config: HiveConfig, stored: Records, now: float
) -> tuple[list[ParticipantRecord], list[str]]:
    """Return the records of all participants, and sentences about those not in the file.

    Raises:
        ConfigError: When a name changed from agent to peer or back.
    """
    records = dict(stored)
    for name, manifest in config.all_agents().items():
        records[name] = _agent(name, manifest, stored.get(name), now)
    for name, peer in config.peers.items():
        records[name] = _peer(name, peer, stored.get(name), now)
    return list(records.values()), _orphans(config, stored)


def _agent(
    name: str, manifest: AgentManifest, known: ParticipantRecord | None, now: float
) -> ParticipantRecord:
    if known is None:
        return new_agent(name, manifest, now, origin=ParticipantOrigin.CONFIG)
    if known.kind is Kind.PEER:
        raise ConfigError(
            f"hive.toml has an agent {name!r}, but a peer of that name is registered; "
            f"unregister it first with 'hive-c0re unregister-peer {name}'"
        )
    return attrs.evolve(
        known,
        manifest=manifest_to_json(manifest),
        origin=ParticipantOrigin.CONFIG,
        description=manifest.description,
    )


def _peer(
    name: str, config: PeerConfig, known: ParticipantRecord | None, now: float
) -> ParticipantRecord:
    if known is None:
        return new_peer(
            name,
            now,
            broadcast=config.broadcast,
            description=config.description,
            observe=config.observe,
            origin=ParticipantOrigin.CONFIG,
        )
    if known.kind is not Kind.PEER:
        raise ConfigError(
            f"hive.toml has a peer {name!r}, but an agent of that name exists; "
            f"remove it first with 'hive-c0re destroy {name}'"
        )
    return attrs.evolve(
        known,
        broadcast=config.broadcast,
        description=config.description,
        manifest=peer_settings(config.observe),
        origin=ParticipantOrigin.CONFIG,
    )


def _orphans(config: HiveConfig, stored: Records) -> list[str]:
    present = {*config.all_agents(), *config.peers}
    return [
        f"{record.name!r} is not in hive.toml any more; it stays until "
        f"'hive-c0re {_removal(record)} {record.name}'"
        for record in stored.values()
        if record.origin is ParticipantOrigin.CONFIG and record.name not in present
    ]


def _removal(record: ParticipantRecord) -> str:
    return "unregister-peer" if record.kind is Kind.PEER else "destroy"
