"""The values of a configuration, independent of the file that they came from.

Times are in seconds, sizes in bytes, paths are absolute unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from hive.names import MANAGER
from hive.wire.claude import ClaudeConfig

KIB = 1024
MIB = 1024 * KIB


class RuntimeName(StrEnum):
    """The runtime of all agents: child processes, or containers of machined or of NixOS."""

    PROCESS = "process"
    MACHINECTL = "machinectl"
    NIXOS_CONTAINER = "nixos-container"


class Network(StrEnum):
    """Network of a container.

    HOST shares the host's network, PRIVATE has only a loopback device, VETH has a virtual Ethernet
    link to the host.
    """

    HOST = "host"
    PRIVATE = "private"
    VETH = "veth"


class RestartType(StrEnum):
    """When an agent is restarted after it ended, as in OTP's child specs."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


@frozen
class RestartPolicy:
    """Restart type, restart budget and back-off of an agent.

    Attributes:
        restart: Restart always, only after a failure, or never.
        max_restarts: Restarts allowed within the period; one more parks the agent as failed.
        within: Length of that period, in seconds.
        base: Delay before the first restart, in seconds.
        factor: Multiplier of each further delay.
        cap: Longest delay, in seconds.
        jitter: Fraction of each delay that is random, 0 to 1.
        reset_after: Seconds of running after which delays begin at `base` again; None leaves the
            choice to the supervisor.
    """

    restart: RestartType = RestartType.PERMANENT
    max_restarts: int = 5
    within: float = 60.0
    base: float = 0.2
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.1
    reset_after: float | None = None


@frozen
class Limits:
    """Limits of the broker and of sockets: sizes, rates, the lease and the attempts of a message.

    Attributes:
        inbox_messages: Most unacked messages of one inbox.
        inbox_bytes: Most bytes of the bodies of those messages.
        body_bytes: Most bytes of one body in UTF-8.
        lease_seconds: Seconds after which a leased, unacked message is delivered again.
        max_attempts: Counted deliveries after which a message becomes a dead letter.
        rate: Most messages of one sender per minute.
        pair_rate: Messages per minute, each way, above which a pair counts as a loop.
        max_hops: Hops of a thread above which it counts as a loop.
        dedupe_window: Seconds for which a dedupe key is remembered.
        unseen_after: Seconds since a participant was last seen after which broadcasts skip it.
        connections: Most connections to one socket of a participant.
    """

    inbox_messages: int = 10_000
    inbox_bytes: int = 64 * MIB
    body_bytes: int = 64 * KIB
    lease_seconds: float = 900.0
    max_attempts: int = 5
    rate: int = 600
    pair_rate: int = 60
    max_hops: int = 32
    dedupe_window: float = 86_400.0
    unseen_after: float = 7 * 86_400.0
    connections: int = 64


@frozen
class Retention:
    """How long ended rows stay in the store. Unread mail is never deleted.

    Attributes:
        messages: Seconds after a message was acked or expired.
        events: Seconds after an event happened.
    """

    messages: float = 30 * 86400.0
    events: float = 90 * 86400.0


@frozen
class Bind:
    """A bind mount: the directory `source` of the host, visible inside a machine as `target`."""

    source: Path
    target: Path
    read_only: bool = False


@frozen
class Containers:
    """Settings that all containers of a hive share.

    Attributes:
        image: Image that new containers are copied from: a name known to machined, or the absolute
            path of a directory or of a tar archive.
        flake: Flake that new NixOS containers are built from; `{name}` stands for the agent.
        programs: Directory inside the container with `hive-ag3nt` and `hive-m1nd`; None uses the
            search path of the container's systemd.
        private_users: Whether the container has a user id range of its own.
        binds: Bind mounts of every container.
    """

    image: str | None = None
    flake: str | None = None
    programs: Path | None = None
    network: Network = Network.HOST
    private_users: bool = False
    binds: tuple[Bind, ...] = ()


@frozen
class AgentManifest:
    """Settings of one agent, for any runtime.

    Attributes:
        driver: Name of the harness's driver; "command" starts `run` for each message.
        run: Program and arguments that the command driver starts for each message.
        exec: Program and arguments of an agent without a harness, which uses its socket itself.
        env: Environment variables of the agent.
        cwd: Working directory; None is the agent's state directory.
        time_limit: Longest time for one message, in seconds.
        stop_timeout: Seconds between the request to end and the kill.
        restart: Restart policy; None uses the hive's.
        memory_max: Memory limit in systemd's notation (systemd.resource-control(5)).
        cpu_quota: CPU limit in systemd's notation; "200%" is two CPUs.
        binds: Bind mounts of its machine.
        image: Image of its container; None uses the hive's.
        flake: Flake of its NixOS container; None uses the hive's.
        claude: Settings of the driver "claude"; None uses the defaults.
        autostart: Whether the agent is started when it first appears in the configuration.
        description: One line for the operator.
    """

    driver: str = "command"
    run: tuple[str, ...] | None = None
    exec: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(factory=dict)
    cwd: Path | None = None
    time_limit: float = 600.0
    stop_timeout: float = 10.0
    restart: RestartPolicy | None = None
    memory_max: str = "4G"
    cpu_quota: str = "200%"
    binds: tuple[Bind, ...] = ()
    image: str | None = None
    flake: str | None = None
    claude: ClaudeConfig | None = None
    autostart: bool = True
    description: str | None = None


@frozen
class PeerConfig:
    """Settings of a peer, a participant whose lifecycle the hive does not control.

    Attributes:
        broadcast: Whether it receives broadcasts.
        description: One line for the operator.
        observe: Systemd unit or machine whose state is observed, read-only; None for none.
    """

    broadcast: bool = False
    description: str | None = None
    observe: str | None = None


@frozen
class HiveConfig:
    """A whole `hive.toml`; without a file, the defaults.

    Attributes:
        runtime: Runtime of all agents.
        containers: Settings that their containers share, under a container runtime.
        restart: Restart policy of agents without one of their own.
        manager: The manager agent; None for a hive without one.
        agents: The other agents by name.
        peers: The peers by name.
    """

    runtime: RuntimeName = RuntimeName.PROCESS
    containers: Containers = Containers()
    limits: Limits = Limits()
    retention: Retention = Retention()
    restart: RestartPolicy = RestartPolicy()
    manager: AgentManifest | None = None
    agents: Mapping[str, AgentManifest] = field(factory=dict)
    peers: Mapping[str, PeerConfig] = field(factory=dict)

    def all_agents(self) -> dict[str, AgentManifest]:
        """Return every agent by name, the manager first."""
        manager = {} if self.manager is None else {MANAGER: self.manager}
        return {**manager, **self.agents}
