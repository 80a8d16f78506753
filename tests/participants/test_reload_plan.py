"""The plan of a reload."""

import json
import re
from pathlib import Path

import attrs
import pytest

from hive.config import (
    AgentManifest,
    ClaudeConfig,
    Containers,
    HiveConfig,
    Limits,
    MachineProtection,
    McpServer,
    NoticesConfig,
    PeerConfig,
    RestartPolicy,
    Retention,
    RuntimeName,
    WebConfig,
    manifest_to_json,
)
from hive.config.model import OpenTelemetryConfig
from hive.participants.manifest_changes import AT_ONCE, compare_manifests, needs_restart
from hive.participants.participant import new_agent, new_peer
from hive.participants.reconcile import reconcile
from hive.participants.reload_plan import (
    EFFECTS,
    SECTIONS,
    Change,
    Difference,
    Effect,
    in_force,
    plan_reload,
)
from hive.store import ParticipantOrigin, ParticipantRecord

ALICE = AgentManifest(run=("./alice",))
CONFIG = HiveConfig(agents={"alice": ALICE}, peers={"damocles": PeerConfig()}, manager=ALICE)


def records_of(config: HiveConfig) -> dict[str, ParticipantRecord]:
    found, _ = reconcile(config, {}, 1.0)
    return {record.name: record for record in found}


RECORDS = records_of(CONFIG)


def plan_of(after: HiveConfig, records: dict[str, ParticipantRecord] | None = None) -> list[Change]:
    return list(plan_reload(CONFIG, after, RECORDS if records is None else records).changes)


def test_the_same_file_changes_nothing() -> None:
    assert plan_of(CONFIG) == []


def test_new_participants_come_now() -> None:
    after = attrs.evolve(
        CONFIG,
        agents={"alice": ALICE, "bob": ALICE},
        peers={"damocles": PeerConfig(), "lab": PeerConfig()},
    )
    assert plan_of(after) == [
        Change("agents", "bob", Difference.NEW, Effect.NOW),
        Change("peers", "lab", Difference.NEW, Effect.NOW),
    ]


def test_a_changed_agent_waits_for_its_restart_and_says_which_keys() -> None:
    bigger = attrs.evolve(ALICE, memory_max="8G", env={"TOKEN": "hush"})
    (change,) = plan_of(attrs.evolve(CONFIG, agents={"alice": bigger}))
    assert (change.difference, change.effect) == (Difference.CHANGED, Effect.AT_RESTART)
    assert set(map(str, change.keys)) == {
        'memory_max: "4G" -> "8G"',
        "env.TOKEN: - -> (secret)",
    }


def test_durations_and_sizes_have_units() -> None:
    slow = attrs.evolve(
        ALICE,
        stop_timeout=90.0,
        probe_timeout=1.5004,
        restart=RestartPolicy(base=0.0, cap=3600.0),
    )
    before = attrs.evolve(ALICE, restart=RestartPolicy(base=2.0, cap=60.0))
    found = compare_manifests(manifest_to_json(before), manifest_to_json(slow))
    assert set(map(str, found)) == {
        'stop_timeout: "10s" -> "90s"',
        'probe_timeout: "30s" -> "1.5004s"',
        'restart.base: "2s" -> "0s"',
        'restart.cap: "1m" -> "1h"',
    }
    (whole,) = compare_manifests(manifest_to_json(ALICE), manifest_to_json(before))
    assert '"base": "2s", "cap": "1m"' in str(whole)


def test_a_changed_description_needs_no_restart() -> None:
    described = attrs.evolve(ALICE, description="a helper")
    (change,) = plan_of(attrs.evolve(CONFIG, manager=described))
    assert (change.table, change.name, change.effect) == ("manager", "hm1nd", Effect.NOW)


def test_the_keys_of_an_agent_are_apart_by_when_they_take_effect() -> None:
    both = attrs.evolve(ALICE, description="a helper", memory_max="8G")
    first, second = plan_of(attrs.evolve(CONFIG, agents={"alice": both}))
    assert (first.effect, [key.path for key in first.keys]) == (Effect.NOW, ["description"])
    assert (second.effect, [key.path for key in second.keys]) == (
        Effect.AT_RESTART,
        ["memory_max"],
    )


def test_a_secret_inside_a_driver_is_not_shown() -> None:
    before = manifest_to_json(attrs.evolve(ALICE, env={"KEY": "one"}))
    after = manifest_to_json(attrs.evolve(ALICE, env={"KEY": "two"}, claude=ClaudeConfig()))
    shown = " ".join(map(str, compare_manifests(before, after)))
    assert "one" not in shown
    assert "two" not in shown
    assert "env.KEY: changed" in shown


def test_a_secret_inside_a_whole_new_table_is_not_shown() -> None:
    server = McpServer(run=("tracker", "--token=hush"), env={"T": "hush"}, tools=("search",))
    hosted = McpServer(url="https://host/mcp?key=hush")
    claude = ClaudeConfig(mcp={"tracker": server, "hosted": hosted})
    after = manifest_to_json(attrs.evolve(ALICE, claude=claude))
    shown = " ".join(map(str, compare_manifests(manifest_to_json(ALICE), after)))
    assert "hush" not in shown
    assert '"tools": ["search"]' in shown


def test_a_manifest_of_an_earlier_version_lacks_only_defaults() -> None:
    started = json.loads(manifest_to_json(ALICE))
    del started["broadcast"], started["groups"]
    assert not needs_restart(json.dumps(started), manifest_to_json(ALICE))
    assert needs_restart(json.dumps({**started, "cpu_quota": "50%"}), manifest_to_json(ALICE))


def test_what_the_file_has_no_more_is_left_over() -> None:
    assert plan_of(HiveConfig()) == [
        Change("manager", "hm1nd", Difference.LEFT_OVER, Effect.PRUNE),
        Change("agents", "alice", Difference.LEFT_OVER, Effect.PRUNE),
        Change("peers", "damocles", Difference.LEFT_OVER, Effect.PRUNE),
    ]
    pruned = plan_reload(CONFIG, HiveConfig(), RECORDS, prune=True).changes
    assert [change.effect for change in pruned] == [Effect.NOW] * 3
    spawned = new_agent("carol", ALICE, 1.0)
    assert plan_of(CONFIG, {**RECORDS, "carol": spawned}) == []


def test_a_changed_peer_takes_effect_now() -> None:
    after = attrs.evolve(CONFIG, peers={"damocles": PeerConfig(observe="container@d.service")})
    (change,) = plan_of(after)
    assert change.effect is Effect.NOW
    assert list(map(str, change.keys)) == ['observe: - -> "container@d.service"']


@pytest.mark.parametrize(
    "after",
    [
        attrs.evolve(CONFIG, limits=Limits(rate=7)),
        attrs.evolve(CONFIG, restart=RestartPolicy(max_restarts=7)),
    ],
)
def test_a_changed_section_names_its_keys(after: HiveConfig) -> None:
    (change,) = plan_of(after)
    assert change.name is None
    assert change.table in SECTIONS
    assert [key.after for key in change.keys] == ["7"]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_waits_for_the_daemon_stays_in_force(section: str) -> None:
    changed = {
        "name": "lab",
        "runtime": RuntimeName.MACHINECTL,
        "containers": Containers(image="debian"),
        "limits": Limits(rate=7, lease_seconds=1000.0),
        "machine": MachineProtection(log_lines=7, disk_free=None),
        "retention": Retention(messages=7.0),
        "restart": RestartPolicy(max_restarts=7),
        "otel": OpenTelemetryConfig("http://127.0.0.1:4318"),
        "notices": NoticesConfig(needs_you=("true",)),
        "web": WebConfig("https://hive.example.net"),
    }[section]
    expected = {
        "name": "lab",
        "runtime": RuntimeName.PROCESS,
        "containers": Containers(),
        "limits": Limits(rate=7),
        "machine": MachineProtection(disk_free=None),
        "retention": Retention(messages=7.0),
        "restart": RestartPolicy(max_restarts=7),
        "otel": OpenTelemetryConfig(),
        "notices": NoticesConfig(needs_you=("true",)),
        "web": WebConfig("https://hive.example.net"),
    }[section]
    after = attrs.evolve(CONFIG, agents={}, **{section: changed})
    found = in_force(CONFIG, after)
    assert getattr(found, section) == expected
    assert found.agents == {}
    waits = [
        change
        for change in plan_of(after)
        if change.table == section and change.effect is Effect.DAEMON_RESTART
    ]
    assert bool(waits) is (changed != expected)


def test_values_of_sections_are_written_as_in_the_file() -> None:
    after = attrs.evolve(CONFIG, limits=Limits(lease_seconds=1800.0, inbox_bytes=1 << 20))
    shown = {str(key) for change in plan_of(after) for key in change.keys}
    assert shown == {'limits.lease: "15m" -> "30m"', 'limits.inbox_bytes: "64M" -> "1M"'}


def test_every_section_of_the_file_is_compared() -> None:
    known = {*SECTIONS, "manager", "agents", "peers"}
    assert {attribute.name for attribute in attrs.fields(HiveConfig)} == known


def test_a_name_on_the_other_side_is_a_conflict_with_a_remedy() -> None:
    records = {
        "alice": new_peer("alice", 1.0),
        "damocles": new_agent("damocles", ALICE, 1.0),
        "hm1nd": attrs.evolve(new_agent("hm1nd", ALICE, 1.0), origin=ParticipantOrigin.REPOSITORY),
    }
    conflicts = plan_reload(CONFIG, CONFIG, records).conflicts
    assert len(conflicts) == 3
    assert "hive-c0re adopt alice" in conflicts[1]
    assert "hive-c0re release damocles" in conflicts[2]
    assert "take [manager] out" in conflicts[0]
    kept, sentences = reconcile(CONFIG, records, 2.0)
    assert {record.name: record for record in kept} == records
    assert tuple(sentences) == conflicts


def test_the_documentation_says_when_each_setting_takes_effect() -> None:
    page = (Path(__file__).parents[2] / "docs" / "changes.md").read_text()
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE))
    words = {
        Effect.NOW: "now",
        Effect.AT_RESTART: "at its next start",
        Effect.DAEMON_RESTART: "at the next start of the daemon",
        Effect.WEB_RESTART: "at the next start of the dashboard",
    }
    for path, effect in EFFECTS.items():
        section, _, key = path.partition(".")
        name = (
            f"`{key}`"
            if key
            else f"`{section}`"
            if section in {"name", "runtime"}
            else f"`[{section}]`"
        )
        row = next(each for each in rows if name in each and f"{section}" in each)
        if path == "machine":
            row = next(each for each in rows if each.startswith("the other keys of `[machine]`"))
        assert words[effect] in rows[row], path
    for key in AT_ONCE:
        assert rows[next(row for row in rows if f"`{key}`" in row)] == "now"
