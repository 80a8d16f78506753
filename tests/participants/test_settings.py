"""Settings as they are in force."""

from pathlib import Path

import attrs

from hive.config import (
    AgentManifest,
    Bind,
    ClaudeConfig,
    Containers,
    Effort,
    HiveConfig,
    McpServer,
    Network,
    RestartPolicy,
    RestartType,
    RuntimeName,
)
from hive.config.agent_schema import AGENT, RESTART
from hive.config.claude_schema import CLAUDE
from hive.participants.participant import new_agent, new_peer
from hive.participants.settings import DEFAULT, Setting, settings_of
from hive.store import ParticipantOrigin

MANIFEST = AgentManifest(run=("./a.sh",), memory_max="8G", env={"TOKEN": "hush"})


def by_key(found: list[Setting]) -> dict[str, tuple[str | None, str]]:
    return {each.key: (each.value, each.source) for each in found}


def test_each_setting_says_where_it_comes_from() -> None:
    record = new_agent("alice", MANIFEST, 1.0, origin=ParticipantOrigin.CONFIG)
    found = by_key(settings_of(record, HiveConfig(restart=RestartPolicy(max_restarts=9))))
    assert found["memory_max"] == ('"8G"', "hive.toml")
    assert found["cpu_quota"] == ('"200%"', DEFAULT)
    assert found["restart.max_restarts"] == ("9", "[restart]")
    assert found["env.TOKEN"] == ("(secret)", "hive.toml")
    assert "hush" not in str(found)


def test_a_restart_policy_of_its_own_hides_that_of_the_hive() -> None:
    own = attrs.evolve(MANIFEST, restart=RestartPolicy(max_restarts=1))
    found = by_key(settings_of(new_agent("alice", own, 1.0), HiveConfig()))
    assert found["restart.max_restarts"] == ("1", "the command that created it")


def test_what_containers_share_is_shown() -> None:
    containers = Containers(image="debian", binds=())
    config = HiveConfig(RuntimeName.MACHINECTL, containers)
    record = attrs.evolve(
        new_agent("alice", MANIFEST, 1.0), origin=ParticipantOrigin.REPOSITORY, applied="ab" * 20
    )
    found = by_key(settings_of(record, config))
    assert found["image"] == ('"debian"', "[containers]")
    assert found["network"] == ('"host"', DEFAULT)
    assert found["containers.programs"] == (None, DEFAULT)
    assert found["memory_max"][1] == "agent.toml of abababababab"
    own = new_agent("bob", attrs.evolve(MANIFEST, image="mine"), 1.0)
    assert by_key(settings_of(own, config))["image"][0] == '"mine"'


def test_a_peer_has_three() -> None:
    record = new_peer("damocles", 1.0, broadcast=True, observe="container@damocles.service")
    assert settings_of(record, HiveConfig()) == [
        Setting("broadcast", "true", "the command that created it"),
        Setting("description", None, DEFAULT),
        Setting("observe", '"container@damocles.service"', "the command that created it"),
    ]


FULL = AgentManifest(
    driver="claude",
    env={"TOKEN": "hush"},
    cwd=Path("/srv"),
    time_limit=300.0,
    stop_timeout=60.0,
    memory_max="8G",
    cpu_quota="50%",
    tasks_max=7,
    probe=("/bin/check",),
    probe_timeout=7.0,
    autostart=False,
    description="a helper",
    restart=RestartPolicy(RestartType.TRANSIENT, 7, 7.0, 7.0, 7.0, 77.0, 0.7, 7.0),
    binds=(Bind(Path("/a"), Path("/b")),),
    image="debian",
    flake="/f",
    private_users=False,
    network=Network.VETH,
    bridge="br0",
    ports=("80",),
    capabilities=("CAP_NET_ADMIN",),
    devices=("/dev/kvm",),
    tmpfs=("/scratch",),
    ephemeral=True,
    start_timeout=240.0,
    credentials={"token": Path("/etc/token")},
    groups=("ops",),
    broadcast=False,
    project="parser",
    claude=ClaudeConfig(
        model="m",
        effort=Effort.HIGH,
        tools=("Read",),
        system_prompt="p",
        mcp={"tracker": McpServer(url="https://host/mcp?key=hush")},
        turn_budget=1.0,
        day_budget=2.0,
        compact_at=0.5,
    ),
)


def test_every_key_of_the_schema_has_its_source() -> None:
    record = new_agent("alice", FULL, 1.0, origin=ParticipantOrigin.CONFIG)
    found = settings_of(record, HiveConfig(RuntimeName.MACHINECTL))
    tables = {"": AGENT, "restart.": RESTART, "claude.": CLAUDE}
    keys = {f"{path}{key.name}" for path, table in tables.items() for key in table.keys}
    for key in keys - {"restart", "claude"}:
        values = [each for each in found if each.key == key or each.key.startswith(f"{key}.")]
        assert values, key
        given = key in {"run", "exec"}
        assert {each.source for each in values} == {DEFAULT if given else "hive.toml"}, key
    assert "hush" not in str(found)


def test_every_key_is_shown_with_its_default() -> None:
    found = settings_of(new_agent("alice", MANIFEST, 1.0), HiveConfig())
    shown = {each.key.partition(".")[0] for each in found}
    assert shown == {key.name for key in AGENT.keys} - {"claude"}
    assert by_key(found)["stop_timeout"] == ('"10s"', DEFAULT)
