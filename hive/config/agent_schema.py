"""The keys of an agent's manifest: those of `[agents.NAME]`, `[manager]` and `agent.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve

from hive.config.claude_schema import CLAUDE
from hive.config.container_kinds import CAPABILITY, DEVICE, INTERFACE, PORT, TMPFS
from hive.config.kinds import (
    BOOLEAN,
    DURATION,
    INSIDE_PATH,
    PATH,
    POSITIVE_DURATION,
    PROGRAM,
    STRING,
    TEXT,
    VARIABLES,
    real,
    whole,
    word,
)
from hive.config.model import AgentManifest, Bind, Network, RestartPolicy, RestartType
from hive.config.readers import InvalidValueError, choice, cpu, memory, text, toml_type
from hive.config.table_schema import Key, KeyPath, ReadContext, Table, ValueKind, array_of, scalar
from hive.errors import BadRequestError
from hive.names import CLAUDE_DRIVER, check_group_name, driver_names

_CREDENTIAL = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
_PROJECT = re.compile(r"[A-Za-z0-9][\w.-]{0,31}", re.ASCII)


def _driver(value: Any) -> str:
    """Read the name of an installed driver."""
    return choice(driver_names())(value)


def _image(value: Any, context: ReadContext) -> str:
    """Read the image of containers: a name known to machined, or, with a '/', a path."""
    written = text(value)
    if not written:
        raise InvalidValueError(
            "name an image of this machine, or the path of a directory or tar archive"
        )
    return str(PATH.read(written, context)) if "/" in written else written


def _flake(value: Any) -> str:
    """Read a flake reference in the notation of `nix build`."""
    written = text(value)
    if not written or any(character.isspace() for character in written):
        raise InvalidValueError("expected a flake such as 'path:/etc/hive#{name}'")
    return written


def _credentials(value: Any, context: ReadContext) -> dict[str, Path]:
    """Read the paths of credential files by name."""
    if not isinstance(value, dict):
        raise InvalidValueError(f"expected a table of paths, not {toml_type(value)}")
    for name in value:
        if not _CREDENTIAL.fullmatch(name):
            raise InvalidValueError(
                f"{name!r} cannot name a credential: use letters, digits, '_', '-' and '.', and "
                "begin with a letter or a digit"
            )
    return {name: PATH.read(item, context) for name, item in value.items()}


def _group(value: Any) -> str:
    """Read the name of a group, without the `@` of its address."""
    try:
        return check_group_name(text(value))
    except BadRequestError as refusal:
        raise InvalidValueError(str(refusal)) from None


def _project(value: Any) -> str:
    """Read the name of a project."""
    written = text(value)
    if not _PROJECT.fullmatch(written):
        raise InvalidValueError("expected one word of letters, digits, '_', '-' and '.'")
    return written


DRIVER = scalar("word", _driver, STRING)
CREDENTIALS = ValueKind(
    "table",
    _credentials,
    {"type": "object", "additionalProperties": STRING},
    lambda files: {name: str(path) for name, path in files.items()},
)
GROUP = scalar("word", _group, STRING)
PROJECT = scalar("word", _project, {"type": "string", "pattern": f"^{_PROJECT.pattern}$"})
IMAGE = ValueKind("text", _image, STRING)
FLAKE = scalar("text", _flake, STRING)
MEMORY = scalar("text", memory, STRING)
CPU = scalar("text", cpu, {"type": "string", "pattern": "^[1-9][0-9]*%$"})


def _check_policy(policy: RestartPolicy) -> Iterator[tuple[KeyPath, str]]:
    if policy.cap < policy.base:
        yield (
            ("cap",),
            f"the longest delay ({policy.cap:g} s) is below the first ({policy.base:g} s)",
        )


def _check_manifest(manifest: AgentManifest) -> Iterator[tuple[KeyPath, str]]:
    if manifest.run and manifest.exec:
        yield (
            ("exec",),
            "give 'run' (started for each message) or 'exec' (the agent itself), not both",
        )
    elif manifest.driver == "command" and not manifest.run and not manifest.exec:
        yield (
            ("run",),
            "a program is missing: 'run' (started for each message) or 'exec' (the agent)",
        )
    elif manifest.driver != "command" and manifest.exec:
        yield (
            ("exec",),
            f"an agent with 'exec' has no harness, so the driver {manifest.driver!r} is idle",
        )
    if manifest.driver == CLAUDE_DRIVER and manifest.run:
        yield ("run",), "the driver 'claude' starts Claude Code, and no program for each message"
    if manifest.driver != CLAUDE_DRIVER and manifest.claude is not None:
        yield (
            ("claude",),
            f"this is for the driver 'claude', and this agent's is {manifest.driver!r}",
        )


def _check_bind(bind: Bind) -> Iterator[tuple[KeyPath, str]]:
    if str(bind.target) != str(bind.target).rstrip():
        yield ("target",), "a path inside may not end in white space"


BIND = Table(
    Bind,
    (
        Key("source", PATH, "the directory on the host; needed", required=True),
        Key("target", INSIDE_PATH, "where it is inside, beginning with `/`; needed", required=True),
        Key("read_only", BOOLEAN, "whether it is only for reading"),
        Key(
            "create",
            BOOLEAN,
            "whether a missing source is made at the start, as an empty directory of root inside; "
            "without it a missing source refuses the start",
        ),
    ),
    check=_check_bind,
)

RESTART = Table(
    RestartPolicy,
    (
        Key(
            "restart",
            word(RestartType),
            '`"permanent"`: always; `"transient"`: only after a failure; `"temporary"`: never '
            "(the words are OTP's)",
        ),
        Key(
            "max_restarts",
            whole(0),
            "restarts within the period; one more parks the agent as failed until the operator "
            "starts it",
        ),
        Key("within", POSITIVE_DURATION, "the period"),
        Key("base", DURATION, "delay before the first restart"),
        Key("factor", real(1, 100), "factor between one delay and the next"),
        Key("cap", DURATION, "the longest delay"),
        Key("jitter", real(0, 1), "the part of a delay that is random: 0.1 is 10 % more or less"),
        Key(
            "reset_after",
            POSITIVE_DURATION,
            "time without an end after which delays begin at `base` again; without the key, the "
            "longer of `cap` and twice `within`",
        ),
    ),
    make=lambda context, found: evolve(context.policy, **found),
    check=_check_policy,
    inherits=True,
)

AGENT = Table(
    AgentManifest,
    (
        Key(
            "driver",
            DRIVER,
            'what carries out a turn; `"command"` starts `run` for each message, others come with '
            "installed packages",
        ),
        Key("run", PROGRAM, "started for each message, see [harness](harness.md)"),
        Key("exec", PROGRAM, "the agent itself: started once, connects to its socket by itself"),
        Key(
            "env",
            VARIABLES,
            "environment variables; names that begin with `HIVE_` are reserved",
            secret=True,
        ),
        Key(
            "cwd",
            PATH,
            "directory in which it starts; without the key, the agent's state directory",
        ),
        Key("time_limit", POSITIVE_DURATION, "longest time for one message"),
        Key(
            "stop_timeout", POSITIVE_DURATION, "time from the request to end (SIGTERM) to the kill"
        ),
        Key(
            "memory_max",
            MEMORY,
            'memory limit, as in systemd.resource-control(5); `"infinity"` is none',
        ),
        Key("cpu_quota", CPU, 'CPU limit, as there: `"200%"` is two CPUs'),
        Key("tasks_max", whole(1), "most processes and threads of its container"),
        Key(
            "probe",
            PROGRAM,
            "started inside the agent's machine at the end of a deploy; if it fails, the deploy is "
            "rolled back, see [changes](changes.md#health)",
        ),
        Key("probe_timeout", POSITIVE_DURATION, "longest time for the probe"),
        Key("autostart", BOOLEAN, "whether the agent is started when it is new in the file"),
        Key("description", TEXT, "one line about it, for the operator and the other participants"),
        Key("restart", RESTART.kind, "values that differ from [restart]"),
        Key(
            "bind",
            array_of(BIND.kind),
            "directories of the host that are visible inside, see [bind]",
            attribute="binds",
        ),
        Key("image", IMAGE, "the image of its container in place of that of [containers]"),
        Key("flake", FLAKE, "the flake of its NixOS container in place of that of [containers]"),
        Key(
            "private_users",
            BOOLEAN,
            "`machinectl`: whether users inside its container have a range of ids of their own; "
            "without the key, that of [containers]",
        ),
        Key(
            "network",
            word(Network),
            "`machinectl`: the network of its container; without the key, that of [containers]",
        ),
        Key(
            "bridge",
            INTERFACE,
            '`machinectl`, and only with `network = "veth"`: the bridge of the host that its link '
            "is connected to",
        ),
        Key(
            "ports",
            array_of(PORT),
            '`machinectl`, and only with `network = "veth"`: ports of the host that lead into its '
            'container, as `Port=` in systemd.nspawn(5): `"tcp:8080:80"`',
        ),
        Key(
            "capabilities",
            array_of(CAPABILITY),
            "capabilities of its container, besides those of systemd-nspawn, see "
            "[containers](containers.md#what-an-agent-may-have-besides)",
        ),
        Key(
            "devices",
            array_of(DEVICE),
            'devices of the host that it may use: `"/dev/kvm"`, or with the access as in '
            '`DeviceAllow=`: `"/dev/net/tun rw"`',
        ),
        Key(
            "tmpfs",
            array_of(TMPFS),
            'memory file systems inside, with the options of tmpfs(5): `"/scratch:size=2G"`',
        ),
        Key(
            "ephemeral",
            BOOLEAN,
            "whether its container starts from a copy of its image each time: what it writes "
            "outside of its state directory and its binds is lost at each end",
        ),
        Key(
            "start_timeout",
            POSITIVE_DURATION,
            "longest time for a start of its container; without the key, 90 s",
        ),
        Key(
            "credentials",
            CREDENTIALS,
            "files of the host with secrets, by name, which it finds in the directory "
            "`$CREDENTIALS_DIRECTORY`; see [credentials](#credentials)",
        ),
        Key("groups", array_of(GROUP), "groups of the mail that it is a member of"),
        Key("broadcast", BOOLEAN, "whether it gets broadcasts"),
        Key("project", PROJECT, "the project that it works on, one word; `status` shows it"),
        Key("claude", CLAUDE.kind, 'for the driver `"claude"`, see [agents.NAME.claude]'),
    ),
    check=_check_manifest,
)
