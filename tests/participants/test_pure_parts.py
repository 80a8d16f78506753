"""Tables of the pure functions: reconcile, states, machine specs, child specs."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from actors import Backoff, ChildInfo, ChildState, Ref, Restart, RestartLimit
from hive.config import (
    AgentManifest,
    Bind,
    HiveConfig,
    PeerConfig,
    RestartPolicy,
    manifest_from_json,
)
from hive.config.model import RestartType
from hive.machines.runtime import KILL_SECONDS, Running
from hive.machines.systemd.transitions import KILL_PLAN, stop_plan
from hive.participants.actor import PeerActor
from hive.participants.agent_actor import AgentActor, AgentServices
from hive.participants.machine_specs import (
    PROGRAMS,
    MachineDefaults,
    command_of,
    container_harness,
    inherited_environment,
    local_harness,
    spec_of,
)
from hive.participants.participant import Agent, Participant, Peer, new_agent, new_peer
from hive.participants.reconcile import reconcile
from hive.participants.supervision import (
    KILL_MARGIN,
    agent_child,
    backoff_of,
    peer_child,
    reboot_limit,
)
from hive.paths import Paths
from hive.status.snapshot import State, state_of
from hive.store import Desired, Kind, ParticipantOrigin, ParticipantRecord

RUN = AgentManifest(run=("claude", "-p"))
NOW = 100.0


def agent(name: str = "alice", manifest: AgentManifest = RUN, **changes: Any) -> ParticipantRecord:
    return attrs.evolve(new_agent(name, manifest, 1.0), **changes)


def records(*found: ParticipantRecord) -> dict[str, ParticipantRecord]:
    return {record.name: record for record in found}


# reconcile


def test_a_new_participant_of_the_file_gets_a_record() -> None:
    config = HiveConfig(
        manager=RUN,
        agents={"alice": RUN, "idle": attrs.evolve(RUN, autostart=False)},
        peers={"damocles": PeerConfig(broadcast=True, description="day job")},
    )
    made, orphans = reconcile(config, {}, NOW)
    found = records(*made)
    assert list(found) == ["hm1nd", "alice", "idle", "damocles"]
    assert [record.kind for record in made] == [Kind.MANAGER, Kind.AGENT, Kind.AGENT, Kind.PEER]
    assert found["alice"].desired is Desired.RUNNING
    assert found["idle"].desired is Desired.STOPPED
    assert (found["damocles"].broadcast, found["damocles"].description) == (True, "day job")
    assert {record.origin for record in made} == {ParticipantOrigin.CONFIG}
    assert {record.created_at for record in made} == {NOW}
    assert orphans == []


def test_the_file_has_the_manifest_and_the_store_the_desired_state() -> None:
    known = agent(desired=Desired.STOPPED, paused=True, status_text="was here", last_reason="oom")
    newer = attrs.evolve(RUN, run=("other",), description="new")
    [record], orphans = reconcile(HiveConfig(agents={"alice": newer}), records(known), NOW)
    assert manifest_from_json(record.manifest) == newer
    assert record.description == "new"
    kept = attrs.evolve(
        record, manifest=known.manifest, description=known.description, origin=known.origin
    )
    assert kept == known
    assert orphans == []


def test_a_participant_missing_in_the_file_stays() -> None:
    stored = records(
        agent("gone", origin=ParticipantOrigin.CONFIG),
        agent("spawned", origin=ParticipantOrigin.COMMAND),
        new_peer("old-peer", 1.0, origin=ParticipantOrigin.CONFIG),
    )
    made, orphans = reconcile(HiveConfig(), stored, NOW)
    assert records(*made) == stored
    assert [sentence.split()[0] for sentence in orphans] == ["'gone'", "'old-peer'"]
    assert "'hive-c0re destroy gone'" in orphans[0]
    assert "'hive-c0re unregister-peer old-peer'" in orphans[1]


@pytest.mark.parametrize(
    ("config", "stored", "way_out"),
    [
        (HiveConfig(agents={"x": RUN}), new_peer("x", 1.0), "adopt x"),
        (HiveConfig(peers={"x": PeerConfig()}), agent("x"), "release x"),
        (
            HiveConfig(agents={"x": RUN}),
            agent("x", origin=ParticipantOrigin.REPOSITORY),
            "applied repository",
        ),
    ],
)
def test_an_entry_that_contradicts_the_store_is_left_out_and_told(
    config: HiveConfig, stored: ParticipantRecord, way_out: str
) -> None:
    made, (sentence,) = reconcile(config, records(stored), NOW)
    assert records(*made) == records(stored)
    assert way_out in sentence


# state_of


RUNNING = Running(1, 0.0, "alice-1", adopted=False, source="kernel")


def info(state: ChildState) -> ChildInfo:
    return ChildInfo(
        id="alice",
        ref=cast("Ref[Any]", None),
        state=state,
        restarts=0,
        since=0.0,
        last_exit=None,
        next_restart_at=None,
        attempt=0,
    )


@pytest.mark.parametrize(
    ("child", "runs", "desired", "stray", "state"),
    [
        (None, False, Desired.RUNNING, False, State.ENDED),
        (None, False, Desired.STOPPED, False, State.STOPPED),
        (None, False, Desired.STOPPED, True, State.STRAY),
        (ChildState.STARTING, False, Desired.RUNNING, False, State.STARTING),
        (ChildState.RUNNING, False, Desired.RUNNING, False, State.STARTING),
        (ChildState.RUNNING, True, Desired.RUNNING, False, State.RUNNING),
        (ChildState.STOPPING, True, Desired.STOPPED, False, State.STOPPING),
        (ChildState.STOPPED, False, Desired.STOPPED, False, State.STOPPED),
        (ChildState.STOPPED, False, Desired.RUNNING, False, State.ENDED),
        (ChildState.BACKOFF, False, Desired.RUNNING, False, State.BACKOFF),
        (ChildState.PARKED, False, Desired.RUNNING, False, State.FAILED),
        # A crash of the actor leaves the container running during the back-off.
        (ChildState.BACKOFF, True, Desired.RUNNING, False, State.BACKOFF),
    ],
)
async def test_the_state_of_an_agent(
    child: ChildState | None, runs: bool, desired: Desired, stray: bool, state: State
) -> None:
    participant = Agent(agent(desired=desired), running=RUNNING if runs else None, stray=stray)
    assert state_of(participant, info(child) if child else None) is state


@pytest.mark.parametrize(("harnesses", "state"), [(0, State.AWAY), (2, State.CONNECTED)])
def test_the_state_of_a_peer_comes_from_its_socket(harnesses: int, state: State) -> None:
    participant = Peer(new_peer("damocles", 1.0))
    for _ in range(harnesses):
        participant.presence.on_connect(1.0)
    for child in (None, info(ChildState.PARKED)):
        assert state_of(participant, child) is state


# machine_specs


PATHS = Paths(Path("/run/h"), Path("/var/lib/h"))


def test_a_machine_spec_has_the_socket_and_the_state_directory() -> None:
    manifest = attrs.evolve(RUN, env={"A": "b"}, stop_timeout=7.0)
    spec = spec_of(PATHS, MachineDefaults())(Agent(agent(manifest=manifest)))
    assert spec.environment == {
        "A": "b",
        "HIVE_NAME": "alice",
        "HIVE_SOCKET": "/run/h/agents/alice/mcp.sock",
        "HIVE_STATE": "/var/lib/h/agents/alice/state",
        "HIVE_STOP_TIMEOUT": "7.0",
    }
    assert spec.working_directory == spec.state_dir == Path("/var/lib/h/agents/alice/state")
    assert (spec.socket_dir, spec.stop_timeout) == (Path("/run/h/agents/alice"), 7.0)
    assert (spec.memory_max, spec.cpu_quota) == ("4G", "200%")
    elsewhere = attrs.evolve(RUN, cwd=Path("/srv"))
    described = spec_of(PATHS, MachineDefaults())(Agent(agent(manifest=elsewhere)))
    assert described.working_directory == Path("/srv")


def test_agents_inherit_the_environment_without_the_daemons_own() -> None:
    kept = inherited_environment(
        {"LANG": "C", "PATH": "/bin", "HYPERHIVE_RUN_DIR": "x", "HIVE_NAME": "y"}
    )
    assert kept == {"LANG": "C", "PATH": f"{PROGRAMS}{os.pathsep}/bin"}
    assert inherited_environment({})["PATH"].startswith(str(PROGRAMS))


@pytest.mark.parametrize(
    ("name", "manifest", "command"),
    [
        ("alice", AgentManifest(exec=("my-agent", "-v")), ("my-agent", "-v")),
        (
            "alice",
            attrs.evolve(RUN, time_limit=90.0),
            (
                *(sys.executable, "-P", "-m", "hive.harness", "agent", "serve"),
                *("--driver", "command", "--time-limit", "90", "--", "claude", "-p"),
            ),
        ),
        (
            "hm1nd",
            AgentManifest(run=("x",), time_limit=0.5),
            (
                *(sys.executable, "-P", "-m", "hive.harness", "manager", "serve"),
                *("--driver", "command", "--time-limit", "0.5", "--", "x"),
            ),
        ),
    ],
)
def test_the_command_of_an_agent(
    name: str, manifest: AgentManifest, command: tuple[str, ...]
) -> None:
    assert command_of(name, manifest, local_harness) == command


@pytest.mark.parametrize(
    ("programs", "manager", "harness"),
    [
        (None, "hive-m1nd", "hive-ag3nt"),
        (Path("/opt/hive"), "/opt/hive/hive-m1nd", "/opt/hive/hive-ag3nt"),
    ],
)
def test_in_a_container_the_harness_is_that_of_the_image(
    programs: Path | None, manager: str, harness: str
) -> None:
    in_image = container_harness(programs)
    assert command_of("alice", RUN, in_image)[:2] == (harness, "serve")
    assert command_of("hm1nd", RUN, in_image)[:2] == (manager, "serve")
    exec_agent = AgentManifest(exec=("/bin/agent",))
    assert command_of("alice", exec_agent, in_image) == ("/bin/agent",)


def test_an_agent_sees_the_binds_of_its_hive_and_its_own_and_may_have_its_own_image() -> None:
    shared, own = (Bind(Path(where), Path(where)) for where in ("/opt", "/srv"))
    describe = spec_of(PATHS, MachineDefaults(binds=(shared,)))
    spec = describe(Agent(agent(manifest=attrs.evolve(RUN, binds=(own,), image="big"))))
    assert (spec.binds, spec.origin) == ((shared, own), "big")
    assert describe(Agent(agent())).origin is None


# supervision


POLICY = RestartPolicy(RestartType.TRANSIENT, 7, 70.0, 0.5, 3.0, 33.0, 0.2, 99.0)
NO_SERVICES = cast("AgentServices", None)


@pytest.mark.parametrize("own", [None, POLICY])
def test_a_policy_becomes_a_child_spec(own: RestartPolicy | None) -> None:
    manifest = attrs.evolve(RUN, restart=own, stop_timeout=42.0)
    spec = agent_child(Agent(agent(manifest=manifest)), NO_SERVICES, RestartPolicy())
    policy = own or RestartPolicy()
    assert (spec.id, spec.restart) == ("alice", Restart(policy.restart.value))
    assert spec.shutdown == 42.0 + KILL_MARGIN, "the kill comes before our own deadline"
    assert spec.budget == RestartLimit(policy.max_restarts, policy.within)
    assert spec.backoff == backoff_of(policy)


def test_the_shutdown_of_an_actor_outlasts_the_kill_of_its_container() -> None:
    policy, kills = RestartPolicy(), sum(stage.seconds for stage in KILL_PLAN)
    spec = agent_child(Agent(agent(manifest=RUN)), NO_SERVICES, policy)
    assert kills == KILL_SECONDS
    assert spec.shutdown > sum(stage.seconds for stage in stop_plan(RUN.stop_timeout))


def test_more_reboots_are_allowed_than_failures() -> None:
    limit = reboot_limit(POLICY)
    assert (limit.max_reboots, limit.within) == (32, POLICY.within)


def test_every_number_of_a_policy_reaches_the_back_off() -> None:
    assert backoff_of(POLICY) == Backoff(
        base=0.5, factor=3.0, cap=33.0, jitter=0.2, reset_after=99.0
    )


async def test_each_start_makes_a_new_actor_of_the_right_kind() -> None:
    class Nothing:
        broker = sockets = registry = None

    services = cast("AgentServices", Nothing())
    participant: Participant = Agent(agent())
    assert isinstance(participant, Agent)
    spec = agent_child(participant, services, RestartPolicy())
    first, second = spec.start(), spec.start()
    assert isinstance(first, AgentActor)
    assert first is not second
    peer = peer_child(Peer(new_peer("damocles", 1.0)), services)
    made = peer.start()
    assert type(made) is PeerActor
    assert not isinstance(made, AgentActor)


def test_a_peers_actor_has_no_method_that_acts_on_a_container() -> None:
    names = {name for cls in PeerActor.__mro__ for name in vars(cls)}
    assert not names & {"start", "stop", "kill", "restart", "runtime", "adopt", "destroy"}
    assert asyncio.iscoroutinefunction(AgentActor._go_down)
    assert PeerActor._go_down is not AgentActor._go_down
