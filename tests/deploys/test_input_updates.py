"""Newer inputs: submitted with a lock, shown, and deployed to all agents or to none."""

import asyncio
from collections import deque
from pathlib import Path

import pytest

from hive.errors import ConflictError
from hive.flakes.flake_texts import SharedInputs
from hive.flakes.lock_file import digest
from hive.store.deploys import DeployStep
from tests.support.hives import Site, site
from tests.support.nix_fields import NIXPKGS, NixField, builds, nix_field, nixpkgs
from tests.support.repositories import Repository
from tests.support.runtimes import ScriptedRuntime

__all__ = ["nixpkgs", "site"]

pytestmark = builds

NEWER = NIXPKGS + "# newer\n"
BROKEN = NIXPKGS.replace("config.system", "config.sistem")


async def two_agents(found: NixField) -> str:
    """Deploy alice and bob; return the revision that they are built of."""
    await found.deploy_system("alice")
    await found.deploy_system("bob")
    return await found.revision()


def restarts(runtime: ScriptedRuntime, name: str) -> int:
    return sum(verb == "start" for verb in runtime.verbs(name))


async def test_an_update_is_shown_and_then_deployed_to_every_agent(
    site: Site, nixpkgs: Repository
) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        old = await two_agents(found)
        new = await found.publish(NEWER)
        before = {name: restarts(runtime, name) for name in ("alice", "bob")}
        number = await found.update_inputs()
        host = await found.host()
        row = (await host.ok("approval", id=number))["approval"]
        assert (row["kind"], row["agent"], row["agents"]) == (
            *("update_inputs", "*"),
            ["alice", "bob"],
        )
        answer = await host.ok("diff", id=number)
        lines = answer["diff"].splitlines()
        assert lines[0].startswith(f"nixpkgs: {old[:9]} (20")
        assert f"-> {new[:9]} (20" in lines[0]
        assert lines[-1] == "restarts alice, bob"
        assert await found.revision() == old, "nothing changes before the decision"
        assert {name: restarts(runtime, name) for name in before} == before

        row = await found.approve(number)
        assert row["status"] == "done", row
        assert await found.revision() == new
        assert {name: restarts(runtime, name) - before[name] for name in before} == {
            "alice": 1,
            "bob": 1,
        }
        (deploy,) = [each for each in (await host.ok("deploys"))["deploys"] if each["name"] == "*"]
        assert (deploy["agents"], deploy["source"]) == (["alice", "bob"], "inputs")
        assert (await found.meta.log())[0] == "update inputs of alice, bob: deploy 3"
        assert await found.changes() == ""


async def test_the_decision_is_about_the_lock_that_was_shown(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        await two_agents(found)
        shown = await found.publish(NEWER)
        number = await found.update_inputs("nixpkgs")
        await found.publish(BROKEN)  # after the submission
        host = await found.host()
        _, error = await host.refused("approve", id=number, sha="0" * 40)
        assert "look at 'hive-c0re diff" in error
        row = await found.approve(number)
        assert row["status"] == "done"
        assert await found.revision() == shown
        current = await found.meta.current()
        assert current is not None
        assert row["fetched_sha"] == digest(current.lock)


async def test_an_agent_that_is_not_healthy_takes_all_back(site: Site, nixpkgs: Repository) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        old = await two_agents(found)
        log = await found.meta.log()
        await found.publish(NEWER)
        runtime.failing_starts["bob"] = deque(["it does not boot"])
        before = restarts(runtime, "alice")
        row = await found.approve(await found.update_inputs())
        assert row["status"] == "failed"
        assert "it does not boot" in row["error"]
        assert await found.revision() == old
        assert restarts(runtime, "alice") == before + 2, "to the new lock, and back"
        assert {"alice", "bob"} <= runtime.machines.keys()
        assert await found.meta.log() == log
        assert await found.changes() == ""


async def test_agents_that_were_not_switched_yet_are_left_alone(
    site: Site, nixpkgs: Repository
) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        await two_agents(found)
        await found.publish(NEWER)
        runtime.failing_starts["alice"] = deque(["it does not boot"])
        before = restarts(runtime, "bob")
        row = await found.approve(await found.update_inputs())
        assert row["status"] == "failed"
        assert restarts(runtime, "bob") == before


async def test_a_system_that_cannot_be_built_changes_nothing(
    site: Site, nixpkgs: Repository
) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        old = await two_agents(found)
        calls = list(runtime.calls)
        await found.publish(BROKEN)
        row = await found.approve(await found.update_inputs())
        assert row["status"] == "failed"
        assert "nix build of the meta flake failed" in row["error"]
        assert await found.revision() == old
        assert runtime.calls == calls


async def test_an_agent_that_is_stopped_stays_stopped(site: Site, nixpkgs: Repository) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        await two_agents(found)
        host = await found.host()
        await host.ok("stop", scope={"agent_names": ["alice"]})
        before = restarts(runtime, "alice")
        await found.publish(NEWER)
        row = await found.approve(await found.update_inputs())
        assert row["status"] == "done", row
        assert restarts(runtime, "alice") == before
        assert "alice" not in runtime.machines
        assert runtime.verbs("alice")[-1] == "update", "its system is the new one all the same"


async def test_an_agent_that_is_destroyed_meanwhile_is_left_out(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        await two_agents(found)
        new = await found.publish(NEWER)
        number = await found.update_inputs()
        await (await found.host()).ok("destroy", name="bob")
        row = await found.approve(number)
        assert row["status"] == "done", row
        assert await found.revision() == new


async def test_what_cannot_be_updated_is_refused_before_anything_waits(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        host = await found.host()
        _, error = await host.refused("update_inputs")
        assert "no NixOS system was deployed yet" in error
        await found.deploy_system("alice")
        _, error = await host.refused("update_inputs", inputs=["nixpgks"])
        assert error == "there is no input 'nixpgks'; did you mean 'nixpkgs'?"
        _, error = await host.refused("update_inputs", inputs=["zzz"])
        assert error == "there is no input 'zzz'; there are: nixpkgs"
        _, error = await host.refused("update_inputs", inputs=["agent-alice"])
        assert "there is no input 'agent-alice'" in error
        _, error = await host.refused("update_inputs")
        assert "nothing is newer: nixpkgs cannot be updated" in error
        await found.publish("{ nonsense")
        _, error = await host.refused("update_inputs")
        assert "of the meta flake failed" in error
        assert (await host.ok("pending"))["approvals"] == []
        assert not found.meta.draft.exists()


async def test_the_same_update_waits_once_and_ends_when_the_lock_changes(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        await two_agents(found)
        await found.publish(NEWER)
        number = await found.update_inputs()
        host = await found.host()
        _, error = await host.refused("update_inputs")
        assert f"approval {number} asks for the same" in error
        await found.deploy_system("alice", "{ version = 2; }")
        await found.hive.parts.inputs.cancel_outdated()
        row = (await host.ok("approval", id=number))["approval"]
        assert (row["status"], row["note"]) == (
            *("cancelled", "a deploy has changed the lock since; ask again"),
        )


async def test_an_update_of_a_lock_that_has_changed_fails_and_changes_nothing(
    site: Site, nixpkgs: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved before the next look at what is outdated, which would cancel it."""
    monkeypatch.setattr("hive.daemon.changes_actor.LOOK_PERIOD", 3600.0)
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        old = await two_agents(found)
        await found.publish(NEWER)
        number = await found.update_inputs()
        await found.deploy_system("alice", "{ version = 2; }")
        row = await found.approve(number)
        assert row["status"] == "failed"
        assert "the lock has changed since this was submitted" in row["error"]
        assert await found.revision() == old


async def test_the_manager_proposes_an_update_and_hears_of_its_end(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        await two_agents(found)
        await found.publish(NEWER)
        line = await found.manager()
        answer = await line.ok(
            "request_update_inputs", inputs=["nixpkgs"], description="a fix of openssl"
        )
        row = await found.approve(answer["approval"])
        assert (row["requested_by"], row["description"]) == ("hm1nd", "a fix of openssl")
        assert row["status"] == "done"
        messages = (await line.ok("recv", max=32))["messages"]
        ends = [each["body"] for each in messages if '"update_inputs"' in each["body"]]
        assert len(ends) == 1
        assert '"done"' in ends[0]
        assert '"tag"' not in ends[0], "no repository has one"


async def test_a_deploy_of_one_agent_changes_no_input_of_the_others(
    site: Site, nixpkgs: Repository
) -> None:
    """So no agent ever runs on an older lock than that of the flake."""
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        old = await two_agents(found)
        new = await found.publish(NEWER)
        await found.deploy_system("alice", "{ version = 2; }")
        assert await found.revision() == old
    other = Repository(nixpkgs.path)
    other.git("checkout", "--quiet", "-b", "other")
    newest = other.commit({"flake.nix": NIXPKGS + "# other\n"})
    del new
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        wanted = SharedInputs(f"git+file://{nixpkgs.path}?ref=other")
        object.__setattr__(found.meta, "shared", wanted)
        await found.deploy_system("alice", "{ version = 3; }")
        assert await found.revision() == old, "also after hive.toml names another nixpkgs"
        (row,) = (await (await found.host()).ok("inputs"))["inputs"]
        assert (row["name"], row["revision"], row["stale"]) == ("nixpkgs", old, True)
        assert row["wanted"] == f"git+file://{nixpkgs.path}?ref=other"
        row = await found.approve(await found.update_inputs("nixpkgs"))
        assert row["status"] == "done", row
        assert await found.revision() == newest
        (row,) = (await (await found.host()).ok("inputs"))["inputs"]
        assert (row["stale"], row.get("wanted")) == (False, None)


async def test_an_update_that_waits_can_be_cancelled(site: Site, nixpkgs: Repository) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        old = await two_agents(found)
        await found.publish(NEWER)
        number = await found.update_inputs()
        await found.hive.parts.deploys.close()  # nothing is carried out
        host = await found.host()
        await host.ok("approve", id=number)
        while not found.hive.parts.deploys.open_of("bob"):
            await asyncio.sleep(0.01)
        (open_one,) = found.hive.parts.deploys.open_of("alice")
        row = (await host.ok("cancel_deploy", id=open_one.id))["deploy"]
        assert row["step"] == DeployStep.CANCELLED.value
        assert await found.revision() == old


async def test_an_agent_cannot_be_renamed_or_released_during_an_update(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        await two_agents(found)
        await found.publish(NEWER)
        number = await found.update_inputs()
        await found.hive.parts.deploys.close()
        host = await found.host()
        await host.ok("approve", id=number)
        while not found.hive.parts.deploys.open_of("bob"):
            await asyncio.sleep(0.01)
        _, error = await host.refused("rename", name="bob", new="bert")
        assert "deploy 3 of 'bob' has not ended" in error


async def test_a_hive_without_nixos_containers_has_no_inputs(site: Site) -> None:
    async with site.real(ScriptedRuntime()) as hive:
        with pytest.raises(ConflictError, match="builds no NixOS systems, so it has no inputs"):
            await hive.parts.inputs.inputs()


async def test_a_rollback_returns_to_the_inputs_before_and_keeps_the_commits_of_agents(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        old = await two_agents(found)
        new = await found.publish(NEWER)
        await found.approve(await found.update_inputs())
        commit = await found.deploy_system("alice", "{ version = 2; }")
        assert await found.revision() == new

        host = await found.host()
        row = (await host.ok("rollback", name="*"))["approval"]
        assert (row["kind"], row["agents"]) == ("update_inputs", ["alice", "bob"])
        assert row["description"] == "back to the inputs before the newest update"
        assert (await found.approve(row["id"]))["status"] == "done"
        assert await found.revision() == old
        current = await found.meta.current()
        assert current is not None
        assert current.inputs.pins["alice"].rev == commit
        assert await found.changes() == ""
        (entry,) = [
            each
            for each in (await host.ok("audit"))["entries"]
            if each["verb"] == "approve" and each["approval"] == row["id"]
        ]
        assert (entry["by"], entry["reason"]) == ("operator", "rollback '*'")

        _, error = await host.refused("rollback", name="*", id=1)
        assert "the inputs of deploy 1 are those of now; nothing was submitted" in error
        _, error = await host.refused("rollback", name="*", id=99)
        assert "no lock of a deploy 99 is known" in error
        again = (await host.ok("rollback", name="*", id=3))["approval"]  # what the update had
        assert (await found.approve(again["id"]))["status"] == "done"
        assert await found.revision() == new


async def test_there_is_nothing_to_return_to_before_the_first_update(
    site: Site, nixpkgs: Repository
) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        await two_agents(found)
        _, error = await (await found.host()).refused("rollback", name="*")
        assert error.startswith("there was no update of inputs")


async def test_a_rollback_that_is_not_healthy_leaves_the_newer_inputs(
    site: Site, nixpkgs: Repository
) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        await two_agents(found)
        new = await found.publish(NEWER)
        await found.approve(await found.update_inputs())
        runtime.failing_starts["bob"] = deque(["it does not boot"])
        row = (await (await found.host()).ok("rollback", name="*"))["approval"]
        assert (await found.approve(row["id"]))["status"] == "failed"
        assert await found.revision() == new


async def test_the_module_for_agents_comes_and_goes_by_an_update(
    site: Site, nixpkgs: Repository, tmp_path: Path
) -> None:
    hyperhive = Repository(tmp_path / "hyperhive")
    module = "{ outputs = { self }: { nixosModules.agent = { version = 7; }; }; }"
    await asyncio.to_thread(hyperhive.commit, {"flake.nix": module})
    reference = f"git+file://{hyperhive.path}"
    runtime = ScriptedRuntime()

    async def flake(found: NixField) -> str:
        return await asyncio.to_thread((found.meta.path / "flake.nix").read_text)

    async with nix_field(site, runtime, nixpkgs) as found:
        await found.deploy_system("alice")
        assert "hyperhive" not in await flake(found)

    async with nix_field(site, runtime, nixpkgs, hyperhive=reference) as found:
        host = await found.host()
        rows = {row["name"]: row for row in (await host.ok("inputs"))["inputs"]}
        assert rows["hyperhive"]["wanted"] == reference
        assert rows["hyperhive"]["reference"] == "not locked yet"
        assert (await found.approve(await found.update_inputs()))["status"] == "done"
        assert "inputs.hyperhive.nixosModules.agent" in await flake(found)
        rows = {row["name"]: row for row in (await host.ok("inputs"))["inputs"]}
        assert "wanted" not in rows["hyperhive"]
        await found.deploy_system("alice", "{ }  # its version is the module's")
        await found.deploy_system("alice", "{ version = 2; }")
        assert "inputs.hyperhive.nixosModules.agent" in await flake(found), "a deploy keeps it"

    async with nix_field(site, runtime, nixpkgs) as found:
        assert (await found.approve(await found.update_inputs("hyperhive")))["status"] == "done"
        assert "hyperhive" not in await flake(found)
