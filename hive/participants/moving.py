"""What a participant is after it was adopted, released or renamed. Pure.

The inbox of a participant is its name. So its mail, its threads and its history stay as they are
when an agent becomes a peer or a peer an agent, and move along when it gets another name.
"""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from hive.config import AgentManifest, HiveConfig, manifest_to_json
from hive.errors import BadRequestError, NotAllowedError
from hive.names import MANAGER, check_agent_name, check_peer_name
from hive.participants.participant import peer_settings
from hive.store import Desired, Kind, ParticipantOrigin, ParticipantRecord
from hive.wire.host import RegisterPeer


def as_peer(record: ParticipantRecord, unit: str | None, config: HiveConfig) -> ParticipantRecord:
    """Return an agent's record after its release.

    It gets broadcasts as before. hive.toml decides if it has a peer of that name.

    Args:
        record: The agent.
        unit: The unit to observe.
        config: hive.toml as it is now.
    """
    table = config.peers.get(record.name)
    peer = attrs.evolve(
        record,
        kind=Kind.PEER,
        desired=Desired.RUNNING,
        paused=False,
        manifest=peer_settings(unit),
        origin=ParticipantOrigin.COMMAND,
        started=None,
        applied=None,
        failed=None,
        restarts=0,
    )
    if table is None:
        return peer
    return attrs.evolve(
        peer,
        manifest=peer_settings(table.observe or unit),
        origin=ParticipantOrigin.CONFIG,
        broadcast=table.broadcast,
        description=table.description,
    )


def as_agent(
    record: ParticipantRecord, manifest: AgentManifest, config: HiveConfig
) -> ParticipantRecord:
    """Return a peer's record after its adoption; the agent is to run.

    Args:
        record: The peer.
        manifest: What was approved; hive.toml decides if it has an agent of that name.
        config: hive.toml as it is now.
    """
    table = config.agents.get(record.name)
    manifest = table or manifest
    return attrs.evolve(
        record,
        kind=Kind.AGENT,
        desired=Desired.RUNNING,
        manifest=manifest_to_json(manifest),
        origin=ParticipantOrigin.COMMAND if table is None else ParticipantOrigin.CONFIG,
        broadcast=True,
        description=manifest.description or record.description,
        started=None,
        applied=None,
    )


def renamed(
    record: ParticipantRecord, new: str, config: HiveConfig, moved: dict[Path, Path]
) -> ParticipantRecord:
    """Return a record under another name; an agent is stopped.

    Args:
        record: The participant.
        new: Its new name.
        config: hive.toml as it is now.
        moved: Its directories before and after; paths below them in its manifest change.
    """
    tables = config.peers if record.kind is Kind.PEER else config.agents
    origin = record.origin
    if origin is not ParticipantOrigin.REPOSITORY:
        origin = ParticipantOrigin.CONFIG if new in tables else ParticipantOrigin.COMMAND
    is_peer = record.kind is Kind.PEER
    return attrs.evolve(
        record,
        name=new,
        desired=record.desired if is_peer else Desired.STOPPED,
        failed=None,
        manifest=record.manifest if is_peer else _with_paths(record.manifest, moved),
        origin=origin,
    )


def _with_paths(manifest: str, moved: dict[Path, Path]) -> str:
    for old, new in moved.items():
        before, after = (json.dumps(str(path))[1:-1] for path in (old, new))
        manifest = manifest.replace(f'"{before}/', f'"{after}/').replace(
            f'"{before}"', f'"{after}"'
        )
    return manifest


def check_adoptable(name: str) -> str:
    """Return the name of a peer that can be an agent's.

    Raises:
        BadRequestError: It is too long for a container; the sentence says what to do.
    """
    try:
        return check_agent_name(name)
    except BadRequestError as error:
        raise BadRequestError(
            f"{error}; 'hive-c0re rename {name} NEW' gives the peer a shorter name first"
        ) from None


def check_new_name(record: ParticipantRecord, new: str) -> str:
    """Return the new name of a participant.

    Raises:
        BadRequestError: It breaks a rule of names.
        NotAllowedError: The participant is the manager, or is to be.
    """
    require_no_manager(record.name, "be renamed")
    if new == MANAGER:
        raise NotAllowedError(
            f"{new!r} is the name of the manager; give [manager] in hive.toml its settings instead"
        )
    return check_peer_name(new) if record.kind is Kind.PEER else check_agent_name(new)


def require_no_manager(name: str, what: str) -> None:
    """Raise NotAllowedError if a name is that of the manager."""
    if name == MANAGER:
        raise NotAllowedError(
            f"{name!r} is the manager of this hive and cannot {what}: its verbs and its second "
            "socket belong to that name"
        )


def require_no_peer(record: ParticipantRecord) -> None:
    """Raise NotAllowedError if a participant that is to be released is a peer."""
    if record.kind is Kind.PEER:
        name = record.name
        raise NotAllowedError(
            f"{name!r} is a peer already, so there is nothing to release; 'hive-c0re "
            f"unregister-peer {name}' takes it out of the hive"
        )


def advice_after_release(name: str, config: HiveConfig) -> str | None:
    """Return what is to be changed in hive.toml after a release; None for nothing."""
    if name not in config.agents:
        return None
    return (
        f"hive.toml still has [agents.{name}]: make it [peers.{name}] (with 'observe' for its "
        "unit) or take it out; until then reloads are refused"
    )


def advice_after_adoption(name: str, config: HiveConfig) -> str | None:
    """Return what is to be changed in hive.toml after an adoption; None for nothing."""
    if name not in config.peers:
        return None
    return (
        f"hive.toml still has [peers.{name}]: make it [agents.{name}] with the manifest or take it "
        "out; until then reloads are refused"
    )


def advice_after_rename(old: str, new: str, config: HiveConfig) -> str | None:
    """Return what is to be changed in hive.toml after a rename; None for nothing."""
    table = _table_of(old, config)
    if table is None:
        return None
    return (
        f"hive.toml still has [{table}.{old}]: make it [{table}.{new}], or the next reload or "
        f"start creates a new {old!r}"
    )


def advice_after_removal(name: str, config: HiveConfig) -> str | None:
    """Return what is to be changed in hive.toml after a removal; None for nothing."""
    table = _table_of(name, config)
    if table is None:
        return None
    return (
        f"hive.toml still has [{table}.{name}]: take it out, or the next reload or start creates "
        f"a new {name!r}"
    )


def advice_after_registration(peer: RegisterPeer, config: HiveConfig) -> str | None:
    """Return what is to be changed in hive.toml after a peer got settings; None for nothing."""
    written = config.peers.get(peer.name)
    if written is None:
        return None
    given = {key: getattr(peer, key) for key in ("broadcast", "description", "observe")}
    others = [
        key
        for key, value in given.items()
        if value is not None and (value or None) != (getattr(written, key) or None)
    ]
    if not others:
        return None
    return (
        f"hive.toml says otherwise of {' and '.join(map(repr, others))} in [peers.{peer.name}]: "
        "change it there, or the next reload or start takes this back"
    )


def _table_of(name: str, config: HiveConfig) -> str | None:
    return next((key for key in ("agents", "peers") if name in getattr(config, key)), None)
