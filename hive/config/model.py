"""What a configuration says, as values that no longer know which file they came from.

All times are seconds, all sizes bytes, all paths absolute.
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
    """What agents run in."""

    PROCESS = "process"
    MACHINECTL = "machinectl"
    NIXOS_CONTAINER = "nixos-container"


class Network(StrEnum):
    """What network a container has.

    HOST shares the host's, PRIVATE has only a loopback device, VETH has a link to the host.
    """

    HOST = "host"
    PRIVATE = "private"
    VETH = "veth"


class RestartType(StrEnum):
    """When an agent that ended is started again; the meaning is that of OTP's child specs."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


@frozen
class RestartPolicy:
    """How an agent that ended is started again, and when that is given up.

    Attributes:
        restart: Always, only after a failure, or never.
        max_restarts: Restarts allowed within the period; one more parks the agent as failed.
        within: Length of that period.
        base: Delay before the first restart.
        factor: What each further delay is multiplied with.
        cap: Longest delay.
        jitter: Part of each delay that is random, 0 to 1.
        reset_after: Time without an end after which delays begin at `base` again; None leaves
            the choice to the supervisor.
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
    """What senders may do, how long a message may be worked on, and how often it is tried.

    Attributes:
        inbox_messages: Unacked messages of one inbox.
        inbox_bytes: Bytes of the bodies of those messages.
        body_bytes: Bytes of one body in UTF-8.
        lease_seconds: Time until a leased message that was not acked is delivered again.
        max_attempts: Deliveries that count before a message is a dead letter.
        rate: Messages of one sender within a minute.
        pair_rate: Messages within a minute, each way, before a pair counts as a loop.
        max_hops: Replies to replies before they count as a loop.
        dedupe_window: Time for which a dedupe key is remembered.
        unseen_after: Time without a sign of life after which broadcasts skip a participant.
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


@frozen
class Retention:
    """How long is kept what nobody waits for any more. Unread mail is kept for ever.

    Attributes:
        messages: Time after a message was acked or expired.
        events: Time after an event happened.
    """

    messages: float = 30 * 86400.0
    events: float = 90 * 86400.0


@frozen
class Bind:
    """A directory of the host that is visible inside an agent's machine."""

    source: Path
    target: Path
    read_only: bool = False


@frozen
class Containers:
    """What is common to the containers of a hive.

    Attributes:
        image: What new containers are copies of: the name of an image that machined knows, or the
            absolute path of a directory or of a tar archive.
        flake: What new NixOS containers are built from; `{name}` stands for the agent.
        programs: The directory inside that has `hive-ag3nt` and `hive-m1nd`; None leaves it to the
            search path of the systemd inside.
        private_users: Whether users inside are a range of their own.
        binds: Directories of the host that every agent sees.
    """

    image: str | None = None
    flake: str | None = None
    programs: Path | None = None
    network: Network = Network.HOST
    private_users: bool = False
    binds: tuple[Bind, ...] = ()


@frozen
class AgentManifest:
    """One agent, whatever runtime it lives in.

    Attributes:
        driver: How the harness works on a message; "command" starts `run` for each.
        run: Program and arguments that the command driver starts for each message.
        exec: Program and arguments of an agent that speaks to its socket by itself; no harness.
        env: Environment variables of the agent.
        cwd: Directory in which it starts; None is its state directory.
        time_limit: Longest time for one message.
        stop_timeout: Time between the request to end and the kill.
        restart: None follows the hive's own policy.
        memory_max: Memory limit in systemd's notation (systemd.resource-control(5)).
        cpu_quota: CPU limit in systemd's notation; "200%" is two CPUs.
        binds: Directories of the host that are visible inside.
        image: What its container is a copy of; None is what the hive's are.
        flake: What its NixOS container is built from; None is what the hive's are.
        claude: What the driver "claude" is told.
        autostart: Whether the agent is started when it is first seen in the configuration.
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
    """A participant whose life is its own business.

    Attributes:
        broadcast: Whether it gets messages to everyone.
        description: One line for the operator.
        observe: The unit or machine whose state is shown, and never changed.
    """

    broadcast: bool = False
    description: str | None = None
    observe: str | None = None


@frozen
class HiveConfig:
    """A whole `hive.toml`; without a file, the defaults.

    Attributes:
        runtime: What agents run in.
        containers: What their containers have in common, if they run in such.
        restart: The policy of every agent that has none of its own.
        manager: The manager agent, None when the hive has none.
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
        """Return every agent by its name, the manager first."""
        manager = {} if self.manager is None else {MANAGER: self.manager}
        return {**manager, **self.agents}
