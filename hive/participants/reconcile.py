"""Merge hive.toml into the records of the store, when the daemon starts.

The file has participants and their manifests. The store has the desired state (stopped, paused)
and the participants that were created by command. A line missing in the file removes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from hive.config import AgentManifest, HiveConfig, PeerConfig
from hive.names import MANAGER
from hive.participants.participant import (
    manifest_columns,
    new_agent,
    new_peer,
    peer_settings,
)
from hive.store import Kind, ParticipantOrigin, ParticipantRecord

Records = Mapping[str, ParticipantRecord]


def reconcile(
    config: HiveConfig, stored: Records, now: float
) -> tuple[list[ParticipantRecord], list[str]]:
    """Return the records of all participants, and sentences about what differs from the file.

    An entry that contradicts the store, as when a name changed from agent to peer, is left out, and
    a sentence says so: one wrong entry must not keep the whole hive down.
    """
    records = dict(stored)
    for name, manifest in config.all_agents().items():
        known = stored.get(name)
        if known is None or _is_ours(known):
            records[name] = _agent(name, manifest, known, now)
    for name, peer in config.peers.items():
        known = stored.get(name)
        if known is None or known.kind is Kind.PEER:
            records[name] = _peer(name, peer, known, now)
    return list(records.values()), [*conflicts_of(config, stored), *_orphans(config, stored)]


def _is_ours(known: ParticipantRecord) -> bool:
    """Whether hive.toml may describe an agent: no peer, and none that a repository describes."""
    return known.kind is not Kind.PEER and known.origin is not ParticipantOrigin.REPOSITORY


def _agent(
    name: str, manifest: AgentManifest, known: ParticipantRecord | None, now: float
) -> ParticipantRecord:
    if known is None:
        return new_agent(name, manifest, now, origin=ParticipantOrigin.CONFIG)
    return attrs.evolve(known, origin=ParticipantOrigin.CONFIG, **manifest_columns(manifest))


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
    return attrs.evolve(
        known,
        broadcast=config.broadcast,
        description=config.description,
        manifest=peer_settings(config.observe),
        origin=ParticipantOrigin.CONFIG,
    )


def conflicts_of(config: HiveConfig, records: Records) -> Iterator[str]:
    """Yield why entries of the file contradict the hive, one sentence each."""
    for name in (*config.all_agents(), *config.peers):
        known = records.get(name)
        sentence = None if known is None else conflict_of(config, known)
        if sentence is not None:
            yield sentence


def conflict_of(config: HiveConfig, record: ParticipantRecord) -> str | None:
    """Return why the file contradicts a participant, and the ways out; None if it does not."""
    name, is_peer = record.name, record.kind is Kind.PEER
    if is_peer and name in config.agents:
        return (
            f"{name!r} is an agent in hive.toml and a peer of this hive; 'hive-c0re adopt {name} "
            f"--yes' makes it an agent, its mail stays; or make its table [peers.{name}], then "
            "'hive-c0re reload'"
        )
    if not is_peer and name in config.peers:
        return (
            f"{name!r} is a peer in hive.toml and an agent of this hive; 'hive-c0re release "
            f"{name}' makes it a peer, its mail stays; or make its table [agents.{name}], then "
            "'hive-c0re reload'"
        )
    has_table = name in config.agents or (name == MANAGER and config.manager is not None)
    if has_table and record.origin is ParticipantOrigin.REPOSITORY:
        table = "manager" if name == MANAGER else f"agents.{name}"
        return (
            f"{name!r} has a table in hive.toml, and its configuration comes from its applied "
            f"repository, which counts; an agent has one of the two: take [{table}] out, then "
            "'hive-c0re reload'"
        )
    return None


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
