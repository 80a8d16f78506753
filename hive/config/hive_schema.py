"""The keys of `hive.toml` and of an agent's manifest: one table of this module per TOML table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve

from hive.config.claude_schema import CLAUDE
from hive.config.model import (
    AgentManifest,
    Bind,
    Containers,
    HiveConfig,
    Limits,
    Network,
    PeerConfig,
    RestartPolicy,
    RestartType,
    Retention,
    RuntimeName,
)
from hive.config.readers import (
    InvalidValueError,
    boolean,
    choice,
    cpu,
    duration,
    integer,
    memory,
    number,
    positive_duration,
    size,
    text,
    variables,
)
from hive.config.table_schema import (
    Key,
    ReadContext,
    Table,
    array_of,
    scalar,
    tables_by_name,
    with_defaults,
)
from hive.errors import BadRequestError
from hive.names import (
    CLAUDE_DRIVER,
    MANAGER,
    check_agent_name,
    check_peer_name,
    check_unit_name,
    driver_names,
)


def path(value: Any, context: ReadContext) -> Path:
    """Read a path; a relative one starts in the file's directory, `~` is the home directory."""
    written = text(value)
    if not written:
        raise InvalidValueError("a path may not be empty")
    try:
        return context.base / Path(written).expanduser()
    except RuntimeError:
        raise InvalidValueError("there is no such home directory") from None


def inside_path(value: Any, context: ReadContext) -> Path:
    """Read a path inside the agent's machine; it must be absolute."""
    found = Path(text(value))
    if not found.is_absolute():
        raise InvalidValueError("a path inside the agent's machine begins with '/'")
    return found


def image(value: Any, context: ReadContext) -> str:
    """Read the image of containers: a name known to machined, or, with a '/', a path."""
    written = text(value)
    if not written:
        raise InvalidValueError(
            "name an image of this machine, or the path of a directory or tar archive"
        )
    return str(path(written, context)) if "/" in written else written


def flake(value: Any) -> str:
    """Read a flake reference in the notation of `nix build`."""
    written = text(value)
    if not written or any(character.isspace() for character in written):
        raise InvalidValueError("expected a flake such as 'path:/etc/hive#{name}'")
    return written


def program(value: Any, context: ReadContext) -> tuple[str, ...]:
    """Read a program with its arguments.

    A program with a '/' is a path, relative to the file's directory; any other is looked up in the
    agent's PATH when it starts.
    """
    words = array_of(scalar(text))(value, context)
    if not words or not words[0]:
        raise InvalidValueError('the first item names a program, as in ["./agent.sh", "--fast"]')
    name = str(path(words[0], context)) if "/" in words[0] else words[0]
    return (name, *words[1:])


def unit(value: Any) -> str:
    """Read the name of a systemd unit or of a machine."""
    try:
        return check_unit_name(text(value))
    except BadRequestError as refusal:
        raise InvalidValueError(str(refusal)) from None


def restart_type(value: Any) -> RestartType:
    """Read the restart type of an agent."""
    return RestartType(choice(RestartType)(value))


def runtime(value: Any) -> RuntimeName:
    """Read the name of the runtime of agents."""
    return RuntimeName(choice(RuntimeName)(value))


def network(value: Any) -> Network:
    """Read the kind of network of containers."""
    return Network(choice(Network)(value))


def driver(value: Any) -> str:
    """Read the name of an installed driver."""
    return choice(driver_names())(value)


def _check_policy(policy: RestartPolicy) -> Iterator[tuple[str, str]]:
    if policy.cap < policy.base:
        yield "cap", f"the longest delay ({policy.cap:g} s) is below the first ({policy.base:g} s)"


def _check_manifest(manifest: AgentManifest) -> Iterator[tuple[str, str]]:
    if manifest.run and manifest.exec:
        yield "exec", "give 'run' (started for each message) or 'exec' (the agent itself), not both"
    elif manifest.driver == "command" and not manifest.run and not manifest.exec:
        yield "run", "a program is missing: 'run' (started for each message) or 'exec' (the agent)"
    elif manifest.driver != "command" and manifest.exec:
        yield (
            "exec",
            f"an agent with 'exec' has no harness, so the driver {manifest.driver!r} is idle",
        )
    if manifest.driver == CLAUDE_DRIVER and manifest.run:
        yield "run", "the driver 'claude' starts Claude Code, and no program for each message"
    if manifest.driver != CLAUDE_DRIVER and manifest.claude is not None:
        yield "claude", f"this is for the driver 'claude', and this agent's is {manifest.driver!r}"


def _check_hive(config: HiveConfig) -> Iterator[tuple[str, str]]:
    lease = config.limits.lease_seconds
    for name, manifest in config.all_agents().items():
        if manifest.exec is None and manifest.time_limit >= lease:
            yield (
                "limits",
                f"the lease ({lease:g} s) must be longer than the time_limit of {name} "
                f"({manifest.time_limit:g} s), or its messages are delivered twice",
            )
    for name in config.agents:
        if name in config.peers:
            yield "peers", f"{name!r} is an agent already; a peer needs a name of its own"

    yield from _unsupported(config)


_FOR_RUNTIME = {
    "image": RuntimeName.MACHINECTL,
    "network": RuntimeName.MACHINECTL,
    "private_users": RuntimeName.MACHINECTL,
    "flake": RuntimeName.NIXOS_CONTAINER,
}
"""Container keys that only one runtime supports; under another runtime they are an error."""


def _unsupported(config: HiveConfig) -> Iterator[tuple[str, str]]:
    """Yield the container settings that the chosen runtime does not support."""
    if config.containers != Containers() and config.runtime is RuntimeName.PROCESS:
        yield "containers", "the runtime 'process' has none; choose another 'runtime'"
        return
    for key, wanted in _FOR_RUNTIME.items():
        if config.runtime is wanted:
            continue
        reason = f"'{key}' is for the runtime '{wanted}', and this hive's is '{config.runtime}'"
        if getattr(config.containers, key) != getattr(Containers(), key):
            yield "containers", reason
        for name, manifest in config.all_agents().items():
            if getattr(manifest, key, None) is not None:
                yield ("manager" if name == MANAGER else "agents"), f"{name}: {reason}"


def _agent_name(name: str) -> None:
    if name == MANAGER:
        raise BadRequestError("the manager agent is described in [manager]")
    check_agent_name(name)


BIND = Table(
    with_defaults(Bind),
    (
        Key("source", path, required=True),
        Key("target", inside_path, required=True),
        Key("read_only", scalar(boolean)),
    ),
)

RESTART = Table(
    lambda context, found: evolve(context.policy, **found),
    (
        Key("restart", scalar(restart_type)),
        Key("max_restarts", scalar(integer(0))),
        Key("within", scalar(positive_duration)),
        Key("base", scalar(duration)),
        Key("factor", scalar(number(1, 100))),
        Key("cap", scalar(duration)),
        Key("jitter", scalar(number(0, 1))),
        Key("reset_after", scalar(positive_duration)),
    ),
    check=_check_policy,
)

AGENT = Table(
    with_defaults(AgentManifest),
    (
        Key("driver", scalar(driver)),
        Key("run", program),
        Key("exec", program),
        Key("env", scalar(variables), secret=True),
        Key("cwd", path),
        Key("time_limit", scalar(positive_duration)),
        Key("stop_timeout", scalar(positive_duration)),
        Key("memory_max", scalar(memory)),
        Key("cpu_quota", scalar(cpu)),
        Key("autostart", scalar(boolean)),
        Key("description", scalar(text)),
        Key("restart", RESTART),
        Key("bind", array_of(BIND), attribute="binds"),
        Key("image", image),
        Key("flake", scalar(flake)),
        Key("claude", CLAUDE),
    ),
    check=_check_manifest,
)

CONTAINERS = Table(
    with_defaults(Containers),
    (
        Key("image", image),
        Key("flake", scalar(flake)),
        Key("programs", inside_path),
        Key("network", scalar(network)),
        Key("private_users", scalar(boolean)),
        Key("bind", array_of(BIND), attribute="binds"),
    ),
)

PEER = Table(
    with_defaults(PeerConfig),
    (
        Key("broadcast", scalar(boolean)),
        Key("description", scalar(text)),
        Key("observe", scalar(unit)),
    ),
)

LIMITS = Table(
    with_defaults(Limits),
    (
        Key("inbox_messages", scalar(integer(1))),
        Key("inbox_bytes", scalar(size)),
        Key("body_bytes", scalar(size)),
        Key("lease", scalar(positive_duration), attribute="lease_seconds"),
        Key("max_attempts", scalar(integer(1))),
        Key("rate", scalar(integer(1))),
        Key("pair_rate", scalar(integer(1))),
        Key("max_hops", scalar(integer(1))),
        Key("dedupe_window", scalar(positive_duration)),
        Key("unseen_after", scalar(positive_duration)),
        Key("connections", scalar(integer(1))),
    ),
)

RETENTION = Table(
    with_defaults(Retention),
    (
        Key("messages", scalar(positive_duration)),
        Key("events", scalar(positive_duration)),
    ),
)

HIVE = Table(
    with_defaults(HiveConfig),
    (
        Key("runtime", scalar(runtime)),
        Key("containers", CONTAINERS),
        Key("limits", LIMITS),
        Key("retention", RETENTION),
        Key("restart", RESTART),
        Key("manager", AGENT),
        Key("agents", tables_by_name(AGENT, _agent_name)),
        Key("peers", tables_by_name(PEER, check_peer_name)),
    ),
    check=_check_hive,
)
