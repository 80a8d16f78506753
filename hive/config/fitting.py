"""Whether the manifest of an agent fits its hive: what the runtime can do, and the lease.

Pure. The same sentences are for a table of hive.toml, for a proposal and for `spawn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hive.config.container_kinds import FLAG_SPECIAL
from hive.config.model import AgentManifest, Bind, Containers, HiveConfig, Network, RuntimeName

_CONTAINERS = (RuntimeName.MACHINECTL, RuntimeName.NIXOS_CONTAINER)

_ONLY: dict[str, tuple[RuntimeName, ...]] = {
    "image": (RuntimeName.MACHINECTL,),
    "bridge": (RuntimeName.MACHINECTL,),
    "ports": (RuntimeName.MACHINECTL,),
    "private_users": (RuntimeName.MACHINECTL,),
    "flake": (RuntimeName.NIXOS_CONTAINER,),
    "capabilities": _CONTAINERS,
    "devices": _CONTAINERS,
    "tmpfs": _CONTAINERS,
    "ephemeral": _CONTAINERS,
    "start_timeout": _CONTAINERS,
}
"""Keys of a container that not all runtimes support; under another runtime they are an error."""

_DEFAULTS = AgentManifest()

_OF_CONTAINERS = ("image", "flake", "private_users")
"""Those of them that `[containers]` has, too."""

_OF_SYSTEMS = ("nixpkgs", "hyperhive")
"""Keys of `[containers]` about the systems that are built of an `agent.nix`."""


def misfits(manifest: AgentManifest, config: HiveConfig) -> Iterator[tuple[str, str]]:
    """Yield what of a manifest its hive cannot carry out: pairs of the key and a sentence.

    Args:
        manifest: The manifest of an agent.
        config: The hive's runtime, its containers and its limits.
    """
    lease = config.limits.lease_seconds
    if manifest.exec is None and manifest.time_limit >= lease:
        yield (
            "time_limit",
            f"the lease ({lease:g} s) must be longer than the time_limit "
            f"({manifest.time_limit:g} s), or its messages are delivered twice",
        )
    for key, wanted in _ONLY.items():
        if getattr(manifest, key) != getattr(_DEFAULTS, key) and config.runtime not in wanted:
            yield key, _only(key, wanted, config)
    yield from _network_misfits(manifest, config)
    yield from _bind_misfits(manifest.binds, config)


def key_misfit(key: str, value: object, config: HiveConfig) -> str | None:
    """Return why a hive cannot carry out a key of a container's manifest; None if it can."""
    if key in _ONLY and config.runtime not in _ONLY[key]:
        return _only(key, _ONLY[key], config)
    if isinstance(value, Network) and not _has_network(value, config):
        return _no_network(value, config)
    return None


def container_misfits(config: HiveConfig) -> Iterator[tuple[str, str]]:
    """Yield the keys of `[containers]` that the hive's runtime does not support."""
    for key in _OF_CONTAINERS:
        if getattr(config.containers, key) is not None and config.runtime not in _ONLY[key]:
            yield key, _only(key, _ONLY[key], config)
    for key in _OF_SYSTEMS:
        given = getattr(config.containers, key) != getattr(Containers(), key)
        if given and config.runtime is not RuntimeName.NIXOS_CONTAINER:
            yield key, _only(key, (RuntimeName.NIXOS_CONTAINER,), config)
    if not _has_network(config.containers.network, config):
        yield "network", _no_network(config.containers.network, config)
    yield from _bind_misfits(config.containers.binds, config)


def _bind_misfits(binds: Sequence[Bind], config: HiveConfig) -> Iterator[tuple[str, str]]:
    """Yield the paths of binds that a NixOS container's start script would change."""
    if config.runtime is not RuntimeName.NIXOS_CONTAINER:
        return
    for at, bind in enumerate(binds):
        for key, path in (("source", bind.source), ("target", bind.target)):
            special = sorted(set(str(path)) & FLAG_SPECIAL)
            if special:
                shown = " and ".join(map(repr, special))
                yield (
                    "bind",
                    f"the {key} of bind[{at}], {str(path)!r}, has {shown}, which cannot be given "
                    "to the start script of a NixOS container; use a plainer path, for instance "
                    "by a bind mount on the host",
                )


def _network_misfits(manifest: AgentManifest, config: HiveConfig) -> Iterator[tuple[str, str]]:
    network = manifest.network or config.containers.network
    if manifest.network is not None and not _has_network(manifest.network, config):
        yield "network", _no_network(manifest.network, config)
    elif config.runtime is RuntimeName.MACHINECTL and network is not Network.VETH:
        if manifest.ports:
            yield (
                "ports",
                f"no port of the host leads into a container with the network '{network}'; "
                'set network = "veth"',
            )
        if manifest.bridge:
            yield (
                "bridge",
                f"a container with the network '{network}' has no link; set network = \"veth\"",
            )


def _has_network(network: Network, config: HiveConfig) -> bool:
    """Return whether a runtime can give agents a network; all can give that of the host."""
    return network is Network.HOST or config.runtime is RuntimeName.MACHINECTL


def _no_network(network: Network, config: HiveConfig) -> str:
    return (
        f"the network '{network}' is for the runtime '{RuntimeName.MACHINECTL}'; under "
        f"'{config.runtime}' agents use that of the host"
    )


def _only(key: str, wanted: tuple[RuntimeName, ...], config: HiveConfig) -> str:
    runtimes = " and ".join(f"'{each}'" for each in wanted)
    noun = "the runtime" if len(wanted) == 1 else "the runtimes"
    return f"'{key}' is for {noun} {runtimes}, and this hive's is '{config.runtime}'"
