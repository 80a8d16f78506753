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

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")

_WHOLE = 10
"""Amount from which no decimal is shown."""


def in_units(amount: float) -> str:
    """Return a number of bytes with the largest unit that leaves at least 1: "1.5 GiB".

    It is rounded down, so that what is below a limit is not shown as the limit.
    """
    unit = 0
    while amount >= KIB and unit < len(_UNITS) - 1:
        amount, unit = amount / KIB, unit + 1
    shown = f"{int(amount)}" if amount >= _WHOLE or not unit else f"{int(amount * 10) / 10:g}"
    return f"{shown} {_UNITS[unit]}"


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
        inbox_bytes: Bytes of the bodies of those messages, above which only the daemon and the
            operator have room, each in a reserve.
        sender_messages: Most unacked messages of one sender in one inbox.
        sender_bytes: Most bytes of the bodies of those messages; one message always has room.
        deferred: Most deferred messages of one sender in all inboxes, reminders not included.
        deferred_horizon: Seconds ahead that a message or a reminder may be deferred.
        body_bytes: Most bytes of one body in UTF-8.
        lease_seconds: Seconds after which a leased, unacked message is delivered again.
        max_attempts: Counted deliveries after which a message becomes a dead letter.
        rate: Most messages of one sender per minute.
        rate_bytes: Most bytes of their bodies per minute, a quarter of them at once.
        requests: Tokens of one participant per minute, for its connections and requests.
        pair_rate: Messages per minute, each way, above which a pair counts as a loop.
        max_hops: Hops of a thread above which it counts as a loop.
        dedupe_window: Seconds for which a dedupe key is remembered.
        dedupe_keys: Most dedupe keys of one sender that are remembered.
        unseen_after: Seconds since a participant was last seen after which broadcasts skip it.
        connections: Most connections to one socket of a participant.
        disk_reserve: Free bytes on the store's file system below which participants store nothing.
        turns: Most agents that hold messages at once, the manager not counted; None for any number.
        stalled_after: Seconds in a turn without an event of the harness after which it is shown as
            stalled; None for never.
    """

    inbox_messages: int = 10_000
    inbox_bytes: int = 64 * MIB
    sender_messages: int = 1000
    sender_bytes: int = 16 * MIB
    deferred: int = 200
    deferred_horizon: float = 35 * 86_400.0
    body_bytes: int = 64 * KIB
    lease_seconds: float = 900.0
    max_attempts: int = 5
    rate: int = 600
    rate_bytes: int = 16 * MIB
    requests: int = 6000
    pair_rate: int = 60
    max_hops: int = 32
    dedupe_window: float = 86_400.0
    dedupe_keys: int = 20_000
    unseen_after: float = 7 * 86_400.0
    connections: int = 64
    disk_reserve: int = 512 * MIB
    turns: int | None = None
    stalled_after: float | None = 900.0


@frozen
class Retention:
    """How long ended rows stay in the store. Unread mail is never deleted.

    Attributes:
        messages: Seconds after a message was acked or expired.
        events: Seconds after an event happened.
        turns_kept: Most finished turns of one participant.
        events_kept: Most events about one participant.
        approvals: Seconds after an approval or a deploy ended.
        audit: Seconds after an entry of the audit was written.
    """

    messages: float = 30 * 86400.0
    events: float = 90 * 86400.0
    turns_kept: int = 10_000
    events_kept: int = 10_000
    approvals: float = 365 * 86400.0
    audit: float = 365 * 86400.0


@frozen
class Bind:
    """A bind mount: the directory `source` of the host, visible inside a machine as `target`.

    Attributes:
        read_only: Whether it cannot be written to.
        create: Whether the source is made if it is missing; otherwise that is an error.
    """

    source: Path
    target: Path
    read_only: bool = False
    create: bool = False


@frozen
class Containers:
    """Settings that all containers of a hive share.

    Attributes:
        image: Image that new containers are copied from: a name known to machined, or the absolute
            path of a directory or of a tar archive.
        flake: Flake that new NixOS containers are built from; `{name}` stands for the agent.
        nixpkgs: Flake reference of nixpkgs for agents whose repository has an `agent.nix`.
        hyperhive: Flake reference of hyperhive, whose module for agents those systems get; None
            for systems that have it from elsewhere.
        programs: Directory inside the container with `hive-ag3nt` and `hive-m1nd`; None uses the
            search path of the container's systemd.
        private_users: Whether users inside have ids of their own on the host; None is true under
            `machinectl`, and false under `nixos-container`, which cannot do it.
        binds: Bind mounts of every container.
    """

    image: str | None = None
    flake: str | None = None
    nixpkgs: str = "flake:nixpkgs"
    hyperhive: str | None = None
    programs: Path | None = None
    network: Network = Network.HOST
    private_users: bool | None = None
    binds: tuple[Bind, ...] = ()


@frozen
class MachineProtection:
    """How the machine is protected from all agents together.

    Attributes:
        memory_high: Memory of all containers above which the kernel slows them down, in systemd's
            notation; a percentage is of the machine's memory.
        memory_max: Memory of all containers above which the kernel ends one of their processes.
        tasks_max: Most processes and threads of all containers, in systemd's notation.
        memory_pressure: Percentage of the last ten seconds in which a task waited for memory, above
            which no agent starts and no turn begins; None for no gate. See PSI in the kernel's
            documentation.
        cpu_pressure: The same for the processors.
        io_pressure: The same for disks.
        pressure_wait: Seconds for which they wait at most; then they go on one by one.
        disk_free: Free bytes of each file system of the hive below which no agent starts; None for
            no gate.
        starts: Most agents that start at the same time; None for twice the processors.
        log_rate: Bytes per second of an agent's output that the process runtime keeps.
        log_burst: Bytes that it keeps at once.
        log_lines: Lines per second of a container's output that the journal keeps.
    """

    memory_high: str = "80%"
    memory_max: str = "90%"
    tasks_max: str = "50%"
    memory_pressure: float | None = 40.0
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    pressure_wait: float = 600.0
    disk_free: int | None = 512 * MIB
    starts: int | None = None
    log_rate: int = 128 * KIB
    log_burst: int = 8 * MIB
    log_lines: int = 1000


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
        tasks_max: Most processes and threads of its container.
        binds: Bind mounts of its machine.
        image: Image of its container; None uses the hive's.
        flake: Flake of its NixOS container; None uses the hive's.
        private_users: Whether users inside its container have ids of their own on the host; None
            uses the hive's.
        network: Network of its container; None uses the hive's.
        bridge: Bridge of the host that its virtual Ethernet link is connected to.
        ports: Ports of the host that lead into its container, as in `Port=` of systemd.nspawn(5).
        capabilities: Capabilities of its container in addition to those of systemd-nspawn.
        devices: Devices of the host that it may use, as in `DeviceAllow=` of
            systemd.resource-control(5).
        tmpfs: Memory file systems of its container, as in `TemporaryFileSystem=`.
        ephemeral: Whether what its container writes outside of its binds is lost at each end.
        start_timeout: Longest time for a start of its container, in seconds; None is 90.
        credentials: Files of the host with its secrets, by the name that each has inside.
        groups: Groups of the mail that it is a member of.
        broadcast: Whether it receives broadcasts.
        project: The project that it works on, one word for the operator.
        claude: Settings of the driver "claude"; None uses the defaults.
        probe: Program and arguments that a deploy runs inside the agent's machine once the agent is
            up; a deploy whose probe fails is rolled back.
        probe_timeout: Longest time for the probe, in seconds.
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
    tasks_max: int = 4096
    binds: tuple[Bind, ...] = ()
    image: str | None = None
    flake: str | None = None
    private_users: bool | None = None
    network: Network | None = None
    bridge: str | None = None
    ports: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    ephemeral: bool = False
    start_timeout: float | None = None
    credentials: Mapping[str, Path] = field(factory=dict)
    groups: tuple[str, ...] = ()
    broadcast: bool = True
    project: str | None = None
    claude: ClaudeConfig | None = None
    probe: tuple[str, ...] | None = None
    probe_timeout: float = 30.0
    autostart: bool = True
    description: str | None = None


@frozen
class OpenTelemetryConfig:
    """Where metrics and spans of turns are exported to by OTLP over HTTP.

    Attributes:
        endpoint: The base URL of the collector; None for no export.
        interval: Seconds between two exports of the metrics.
        timeout: Most seconds of one export.
    """

    endpoint: str | None = None
    interval: float = 60.0
    timeout: float = 10.0


@frozen
class QuietHours:
    """Hours of a day, in minutes since midnight; they may go over midnight.

    Attributes:
        start: The first minute.
        end: The first minute after them.
    """

    start: int
    end: int

    def __str__(self) -> str:
        first, last = divmod(self.start, 60), divmod(self.end, 60)
        return f"{first[0]:02}:{first[1]:02}-{last[0]:02}:{last[1]:02}"

    def minutes_left(self, minute: int) -> int:
        """Return how many minutes of them are left at a minute of the day; 0 outside them."""
        length, passed = (self.end - self.start) % 1440, (minute - self.start) % 1440
        return max(length - passed, 0)


@frozen
class NoticesConfig:
    """Programs that tell the operator what happened.

    Attributes:
        needs_you: Program for what needs the operator; None for none.
        done: Program for agents that have finished their work.
        failed: Program for agents that have failed.
        quiet: When none of them runs.
        timeout: Seconds until a program is killed.
    """

    needs_you: tuple[str, ...] | None = None
    done: tuple[str, ...] | None = None
    failed: tuple[str, ...] | None = None
    quiet: QuietHours | None = None
    timeout: float = 30.0


@frozen
class WebConfig:
    """How the dashboard is reached and served; it asks the daemon for it.

    Attributes:
        url: The address by which browsers reach it, without a path; None without one.
        listen: Where it listens: `ADDRESS:PORT`, or `unix:PATH`.
        sessions: Seconds until a browser has to log in again.
        certificate: File with its certificate and the chain of that; None for no TLS of its own.
        key: File with the key of the certificate.
        trusted_proxies: IP addresses of proxies whose word about the client's address counts.
        quiet_hours: When it notifies no device.
    """

    url: str | None = None
    listen: str = "127.0.0.1:7000"
    sessions: float = 30 * 86400.0
    certificate: Path | None = None
    key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    quiet_hours: QuietHours | None = None


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
        machine: How the machine is protected from all agents together.
        restart: Restart policy of agents without one of their own.
        otel: Export of metrics and spans.
        notices: Programs that tell the operator what happened.
        web: How the dashboard is reached and served.
        manager: The manager agent; None for a hive without one.
        agents: The other agents by name.
        peers: The peers by name.
        name: What the operator calls the hive; None for the name of its host.
    """

    runtime: RuntimeName = RuntimeName.PROCESS
    containers: Containers = Containers()
    limits: Limits = Limits()
    retention: Retention = Retention()
    machine: MachineProtection = MachineProtection()
    restart: RestartPolicy = RestartPolicy()
    otel: OpenTelemetryConfig = OpenTelemetryConfig()
    notices: NoticesConfig = NoticesConfig()
    web: WebConfig = WebConfig()
    manager: AgentManifest | None = None
    agents: Mapping[str, AgentManifest] = field(factory=dict)
    peers: Mapping[str, PeerConfig] = field(factory=dict)
    name: str | None = None

    def all_agents(self) -> dict[str, AgentManifest]:
        """Return every agent by name, the manager first."""
        manager = {} if self.manager is None else {MANAGER: self.manager}
        return {**manager, **self.agents}

    def shares_users(self, manifest: AgentManifest) -> bool:
        """Return whether root in an agent's container is root of the host."""
        if self.runtime is not RuntimeName.MACHINECTL:
            return self.runtime is RuntimeName.NIXOS_CONTAINER
        own = manifest.private_users
        return (self.containers.private_users if own is None else own) is False
