"""The keys of `hive.toml`: one table of this module per TOML table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from hive.config.agent_schema import AGENT, BIND, FLAKE, IMAGE, RESTART
from hive.config.fitting import container_misfits, misfits
from hive.config.kinds import (
    BOOLEAN,
    INSIDE_PATH,
    POSITIVE_DURATION,
    PROGRAM,
    QUIET,
    SIZE,
    STRING,
    TEXT,
    real,
    unless_off,
    whole,
    word,
)
from hive.config.model import (
    Containers,
    HiveConfig,
    Limits,
    MachineProtection,
    Network,
    NoticesConfig,
    OpenTelemetryConfig,
    PeerConfig,
    Retention,
    RuntimeName,
)
from hive.config.participant_names import check_agent_key, shared_names
from hive.config.readers import InvalidValueError, memory_share, tasks_share, text
from hive.config.table_schema import Key, KeyPath, Table, array_of, scalar, tables_by_name
from hive.config.web_schema import WEB
from hive.errors import BadRequestError
from hive.names import MANAGER, check_peer_name, check_unit_name


def _unit(value: Any) -> str:
    """Read the name of a systemd unit or of a machine."""
    try:
        return check_unit_name(text(value))
    except BadRequestError as refusal:
        raise InvalidValueError(str(refusal)) from None


def _url(value: Any) -> str:
    """Read the URL of an HTTP server."""
    url = text(value)
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        is_usable = False
    if not is_usable:
        raise InvalidValueError("give a URL such as http://127.0.0.1:4318")
    return url


def _title(value: Any) -> str:
    """Read a name for the operator's eyes."""
    name = text(value)
    if not (name.isprintable() and name.strip() == name and 1 <= len(name) <= TITLE_MAX):
        raise InvalidValueError(
            f'give a name of 1 to {TITLE_MAX} printable characters, such as "lab"'
        )
    return name


TITLE_MAX = 40
"""Characters of the longest name of a hive; titles have room for so many."""

TITLE = scalar("text", _title, {"type": "string", "minLength": 1, "maxLength": TITLE_MAX})
UNIT = scalar("text", _unit, STRING)
URL = scalar("text", _url, {"type": "string", "pattern": "^https?://"})
MEMORY_SHARE = scalar("text", memory_share, STRING)
TASKS_SHARE = scalar(
    "number or text",
    tasks_share,
    {"anyOf": [{"type": "integer", "minimum": 1}, STRING]},
)


def _check_retention(retention: Retention) -> Iterator[tuple[KeyPath, str]]:
    if retention.audit < AUDIT_MIN:
        yield ("audit",), f"the audit is kept for {AUDIT_MIN:g} s (365 days) at least"


def _check_hive(config: HiveConfig) -> Iterator[tuple[KeyPath, str]]:
    yield from shared_names(config)
    if config.containers != Containers() and config.runtime is RuntimeName.PROCESS:
        yield ("containers",), "the runtime 'process' has none; choose another 'runtime'"
    else:
        for key, sentence in container_misfits(config):
            yield ("containers", key), sentence
    for name, manifest in config.all_agents().items():
        table: KeyPath = ("manager",) if name == MANAGER else ("agents", name)
        for key, sentence in misfits(manifest, config):
            yield (*table, key), sentence


AUDIT_MIN = 365 * 86_400.0
"""Fewest seconds for which the audit is kept."""


CONTAINERS = Table(
    Containers,
    (
        Key(
            "image",
            IMAGE,
            "`machinectl`: the image that a new container is copied from: the name of an image of "
            "machined, or, with a `/`, the path of a directory or a tar archive",
        ),
        Key(
            "flake",
            FLAKE,
            "`nixos-container`: the flake that a new container is built from, for instance "
            '`"/etc/hive#{name}"`; `{name}` stands for the agent',
        ),
        Key(
            "nixpkgs",
            FLAKE,
            "`nixos-container`: the flake reference of nixpkgs for agents whose repository has an "
            "`agent.nix`",
        ),
        Key(
            "hyperhive",
            FLAKE,
            "`nixos-container`: the flake reference of hyperhive for those agents: its module "
            "for agents, with the harness, is part of their systems. Without the key their "
            "`agent.nix` brings the harness. See [nixos.md](nixos.md)",
        ),
        Key(
            "programs",
            INSIDE_PATH,
            "the directory inside that has `hive-ag3nt` and `hive-m1nd`; without the key, they "
            "are looked up on the agent's `PATH`",
        ),
        Key(
            "network",
            word(Network),
            '`machinectl`: `"host"`, the host\'s network; `"private"`, only a loopback device; '
            '`"veth"`, a link to the host',
        ),
        Key(
            "private_users",
            BOOLEAN,
            "`machinectl`: whether users inside have a range of ids of their own, so that root "
            "inside is an unprivileged user outside; without the key they have. See "
            "[containers.md](containers.md#users)",
        ),
        Key(
            "bind",
            array_of(BIND.kind),
            "directories of the host that are visible to every agent; the keys are those of [bind]",
            attribute="binds",
        ),
    ),
)

PEER = Table(
    PeerConfig,
    (
        Key("broadcast", BOOLEAN, "whether it gets broadcasts"),
        Key("description", TEXT, "one line about it, for the operator and the other participants"),
        Key(
            "observe",
            UNIT,
            'a unit, `"container@damocles.service"`, or a machine\'s name, whose state is shown, '
            "read-only",
        ),
    ),
)

LIMITS = Table(
    Limits,
    (
        Key("inbox_messages", whole(1), "messages of one inbox that are not acked yet"),
        Key(
            "inbox_bytes",
            SIZE,
            "bytes of their bodies that participants may fill; the daemon has a reserve above "
            "them, and the operator another one above that, each a quarter of `inbox_bytes` and "
            "at least `body_bytes`",
        ),
        Key(
            "sender_messages",
            whole(1),
            "messages of one sender in one inbox that are not acked yet; where `inbox_messages` "
            "is smaller, that applies",
        ),
        Key("sender_bytes", SIZE, "bytes of their bodies; one message always has room"),
        Key(
            "deferred",
            whole(1),
            "deferred messages of one sender in all inboxes; its reminders are counted apart",
        ),
        Key(
            "deferred_horizon",
            POSITIVE_DURATION,
            "time ahead that a message or a reminder may be deferred, also one of the operator",
        ),
        Key("body_bytes", SIZE, "bytes of one body, in UTF-8"),
        Key(
            "lease",
            POSITIVE_DURATION,
            "time until a message that was received but not acked is delivered again",
            attribute="lease_seconds",
        ),
        Key("max_attempts", whole(1), "deliveries that count before a message is a dead letter"),
        Key("rate", whole(1), "messages of one sender within a minute"),
        Key(
            "rate_bytes",
            SIZE,
            "bytes of their bodies within a minute; each recipient's copy counts",
        ),
        Key(
            "requests",
            whole(1),
            "tokens of one participant within a minute, for all its connections; see "
            "[delivery](delivery.md#requests-within-a-minute)",
        ),
        Key(
            "pair_rate",
            whole(1),
            "messages within a minute, each way, before two participants count as a loop",
        ),
        Key("max_hops", whole(1), "replies to replies before they count as a loop"),
        Key(
            "dedupe_window",
            POSITIVE_DURATION,
            "time within which a repeated dedupe key answers with the first id",
        ),
        Key(
            "dedupe_keys",
            whole(1),
            "dedupe keys of one sender that are remembered; a further one is refused until the "
            "oldest is over",
        ),
        Key(
            "unseen_after",
            POSITIVE_DURATION,
            "time without a sign of life after which broadcasts skip a participant",
        ),
        Key(
            "connections",
            whole(1),
            "connections to one socket of a participant; a further one is closed with an error "
            "line",
        ),
        Key(
            "disk_reserve",
            SIZE,
            "free space on the store's file system below which participants can store nothing; "
            "the operator still can",
        ),
        Key(
            "turns",
            whole(1),
            "agents that may work on messages at once; the others wait, the longest first. The "
            "manager and peers are not counted",
        ),
        Key(
            "stalled_after",
            unless_off(POSITIVE_DURATION),
            "time in a turn without an event of the harness after which the turn is shown as "
            '[stalled](operating.md#verdicts); `"off"` for never',
        ),
    ),
)

RETENTION = Table(
    Retention,
    (
        Key(
            "messages",
            POSITIVE_DURATION,
            "time for which a message stays after it was acked or expired",
        ),
        Key("events", POSITIVE_DURATION, "time for which an event stays, and a finished turn"),
        Key("turns_kept", whole(1), "finished turns of one participant; the oldest are deleted"),
        Key("events_kept", whole(1), "events about one participant; the oldest are deleted"),
        Key(
            "approvals",
            POSITIVE_DURATION,
            "time for which an approval stays after it ended, and a deploy with its output; the "
            "newest 100 deploys of an agent stay",
        ),
        Key(
            "audit",
            POSITIVE_DURATION,
            "time for which an entry of the audit stays, 365 days at least",
        ),
    ),
    check=_check_retention,
)

OTEL = Table(
    OpenTelemetryConfig,
    (
        Key(
            "endpoint",
            URL,
            'the base URL of a collector, `"http://127.0.0.1:4318"`, that takes OTLP over HTTP; '
            "without it nothing is exported. Needs the extra `hyperhive[otel]`",
        ),
        Key("interval", POSITIVE_DURATION, "time between two exports of the metrics"),
        Key("timeout", POSITIVE_DURATION, "longest time of one export"),
    ),
)

NOTICES = Table(
    NoticesConfig,
    (
        Key(
            "needs_you",
            PROGRAM,
            "the program for questions, approvals, logins, dead letters and mail that wait for "
            "you; see [notices](notices.md)",
        ),
        Key("done", PROGRAM, "the program for agents that have finished their work"),
        Key("failed", PROGRAM, "the program for agents that have failed"),
        Key(
            "quiet",
            QUIET,
            'hours of the day, `"22:00-07:00"` in the time zone of the machine, in which none of '
            "them runs",
        ),
        Key("timeout", POSITIVE_DURATION, "time after which a program is killed"),
    ),
)

PRESSURE = unless_off(real(1, 100))
"""A percentage of pressure, or "off"."""

MACHINE = Table(
    MachineProtection,
    (
        Key(
            "memory_high",
            MEMORY_SHARE,
            "memory of all containers above which the kernel slows them down, as in "
            "systemd.resource-control(5); a percentage is of the machine's memory",
        ),
        Key(
            "memory_max",
            MEMORY_SHARE,
            "memory of all containers above which the kernel ends one of their processes",
        ),
        Key(
            "tasks_max",
            TASKS_SHARE,
            "most processes and threads of all containers; a percentage is of those that the "
            "machine allows",
        ),
        Key(
            "memory_pressure",
            PRESSURE,
            "percentage of the last ten seconds in which some task waited for memory, above which "
            'agents are not started and begin no turn; `"off"` for no gate',
        ),
        Key(
            "cpu_pressure",
            PRESSURE,
            "the same for processors; off, since a busy processor slows agents down and ends "
            "nothing",
        ),
        Key("io_pressure", PRESSURE, "the same for disks; off, as a backup causes it, too"),
        Key(
            "pressure_wait",
            POSITIVE_DURATION,
            "time for which they wait at most; then they go on one by one",
        ),
        Key(
            "disk_free",
            unless_off(SIZE),
            'free space of each file system of the hive below which no agent starts; `"off"` for '
            "no gate",
        ),
        Key(
            "starts",
            whole(1),
            "most agents that start at the same time, each until its harness is connected; the "
            "others are queued. Without the key, twice the processors",
        ),
        Key(
            "log_rate",
            SIZE,
            'bytes per second of an agent\'s output that are kept under the runtime `"process"`',
        ),
        Key("log_burst", SIZE, "bytes of its output that are kept at once"),
        Key(
            "log_lines", whole(1), "lines per second of a container's output that the journal keeps"
        ),
    ),
)

HIVE = Table(
    HiveConfig,
    (
        Key(
            "name",
            TITLE,
            "what the hive is called in titles: of `top`, of `overview` and of the dashboard; "
            "without the key, as its host",
        ),
        Key(
            "runtime",
            word(RuntimeName),
            'the runtime of agents: `"process"`, each a process group of this machine; '
            '`"machinectl"`, each a container of systemd; `"nixos-container"`, each a NixOS '
            "container",
        ),
        Key(
            "containers",
            CONTAINERS.kind,
            "settings of all containers; only under a runtime that has containers",
        ),
        Key("limits", LIMITS.kind, "limits of messages and inboxes"),
        Key("retention", RETENTION.kind, "how long ended messages and events stay"),
        Key("machine", MACHINE.kind, "how the machine is protected from all agents together"),
        Key("restart", RESTART.kind, "the restart policy of agents"),
        Key("otel", OTEL.kind, "export of metrics and turns by OpenTelemetry"),
        Key("notices", NOTICES.kind, "programs that tell you what happened"),
        Key("web", WEB.kind, "how the dashboard is reached and served"),
        Key("manager", AGENT.kind, "the manager agent, `hm1nd`; the keys are those of an agent"),
        Key(
            "agents",
            tables_by_name(AGENT, check_agent_key),
            "one table for each agent: `[agents.alice]`",
        ),
        Key(
            "peers",
            tables_by_name(PEER, check_peer_name),
            "one table for each peer: `[peers.damocles]`",
        ),
    ),
    check=_check_hive,
)
