"""A first configuration: asked for, approved, edited, proposed; and what never comes into it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from hive.deploys.first_configs import FirstConfigs, without_secrets
from hive.git import repositories
from hive.git.new_repository import PREFIX
from hive.store.approvals import ApprovalKind
from tests.deploys.test_deploys import TOML, Field, field, site
from tests.support.hives import EXEC, Site, swarm
from tests.support.repositories import Repository
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")

SECRET_ENV = {"env": {"TOKEN": "hunter2"}}


async def text_of(found: Field, name: str) -> str:
    path = found.hive.paths.proposed(name) / "agent.toml"
    return await asyncio.to_thread(path.read_text)


async def granted(found: Field, **fields: Any) -> dict[str, Any]:
    """Let the manager ask for a first configuration, and approve it."""
    line = await found.manager()
    number = (await line.ok("request_init_config", **fields))["approval"]
    return await found.approve(int(number))


@asynccontextmanager
async def with_agent(site: Site, **changes: Any) -> AsyncIterator[Field]:
    """Open a hive whose hive.toml has an agent `bob`."""
    config = swarm("bob", peers=["damocles"], manager=True, manifest=attrs.evolve(EXEC, **changes))
    async with site.real(ScriptedRuntime(), config) as hive:
        found = Field(hive, hive.runtime)  # type: ignore[arg-type]
        try:
            yield found
        finally:
            for line in found.lines:
                line.writer.close()


async def test_the_manager_gets_a_new_agent_in_two_steps(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        row = await granted(found, name="alice", description="a helper")
        assert (row["status"], row["kind"]) == ("done", "init_config")
        assert row["subject"] == "a first configuration, from the template 'command'"
        assert row["description"] == "a helper"

        def edit() -> str:
            repository = Repository(found.hive.paths.proposed("alice"))
            assert 'run = ["./answer.sh"]' in (repository.path / "agent.toml").read_text()
            return repository.commit({"agent.toml": TOML}, "what I need")

        sha = await asyncio.to_thread(edit)
        row = await found.approve(await found.propose(sha))
        assert (row["status"], row["subject"]) == ("done", "what I need")
        assert "alice" in found.runtime.machines


@pytest.mark.parametrize("template", ["command", "claude"])
async def test_a_template_can_be_proposed_as_it_is(site: Site, template: str) -> None:
    async with field(site, ScriptedRuntime()) as found:
        host = await found.host()
        made = await host.ok("init_config", name="alice", template=template)
        assert made["path"] == str(found.hive.paths.proposed("alice"))
        queued = (await host.ok("request_spawn", name="alice"))["approval"]
        assert queued["fetched_sha"] == made["commit"]
        assert queued["status"] == "pending"
        entries = (await host.ok("audit", name="alice"))["entries"]
        assert (entries[0]["verb"], entries[0]["outcome"]) == ("init_config", "done")


async def test_what_an_agent_of_hive_toml_runs_is_written_without_its_secrets(site: Site) -> None:
    async with with_agent(site, memory_max="7G", **SECRET_ENV) as found:
        await granted(found, name="bob")
        text = await text_of(found, "bob")
        assert 'memory_max = "7G"' in text
        assert "# env.TOKEN is left out: it may be a secret." in text
        head = found.hive.paths.proposed("bob")
        everything = await asyncio.to_thread(_all_bytes, head)
        assert b"hunter2" not in everything
        assert b"(secret)" not in everything


def _all_bytes(directory: Path) -> bytes:
    return b"".join(each.read_bytes() for each in directory.rglob("*") if each.is_file())


async def test_a_manifest_comes_from_one_place_only(site: Site) -> None:
    """DESIGN 8: the manager may prepare a proposal for an agent of hive.toml, and no more."""
    async with with_agent(site) as found:
        await granted(found, name="bob")
        sha = await asyncio.to_thread(
            lambda: Repository(found.hive.paths.proposed("bob")).commit({"agent.toml": TOML})
        )
        line = await found.manager()
        code, error = await line.refused("request_apply_commit", agent="bob", commit_ref=sha)
        assert code == "not_allowed"
        assert "described in hive.toml, which only the operator changes" in error
        host = await found.host()
        error = (await host.refused("request_spawn", name="bob", commit_ref=sha))[1]
        assert "change its table there, then 'hive-c0re reload'" in error


async def test_a_copy_of_an_agent_from_a_repository_has_its_files(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:

        def write() -> str:
            repository = Repository(found.hive.paths.proposed("alice"))
            files = {"agent.toml": 'exec = ["./run.sh"]\n', "run.sh": "#!/bin/sh\n"}
            return repository.commit(files)

        row = await found.approve(await found.propose(await asyncio.to_thread(write)))
        assert row["status"] == "done"
        host = await found.host()
        made = await host.ok("init_config", name="carol", template="alice")
        files = await asyncio.to_thread(
            lambda: {
                each.name: each.read_text()
                for each in Path(made["path"]).iterdir()
                if each.is_file()
            }
        )
        assert files == {"agent.toml": 'exec = ["./run.sh"]\n', "run.sh": "#!/bin/sh\n"}
        # Its own repository exists, and is not replaced.
        assert "exists already" in (await host.refused("init_config", name="alice"))[1]


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"name": "damocles"}, "not_allowed", "is a peer, which has no configuration here"),
        ({"name": "../alice"}, "bad_request", "is no name for an agent or peer"),
        ({"name": "operator"}, "bad_request", "the name 'operator' is reserved"),
        ({"name": "alice-the-first"}, "bad_request", "an agent name has at most 9"),
        ({"name": "alice", "template": "carol"}, "unknown_name", "no participant 'carol'"),
        ({"name": "alice", "template": "damocles"}, "not_allowed", "a peer has no manifest"),
        ({"name": "alice", "template": "../x"}, "unknown_name", "no participant '../x'"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_waits(
    site: Site, fields: dict[str, str], code: str, sentence: str
) -> None:
    async with with_agent(site) as found:
        line, host = await found.manager(), await found.host()
        for asked in (
            line.refused("request_init_config", **fields),
            host.refused("init_config", **fields),
        ):
            found_code, error = await asked
            assert (found_code, sentence in error) == (code, True), error
        assert (await host.ok("pending"))["approvals"] == []


async def test_what_is_there_is_never_replaced(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        line = await found.manager()
        number = (await line.ok("request_init_config", name="alice"))["approval"]
        sha = await found.commit()  # the manager was faster than the operator
        row = await found.approve(number)
        assert row["status"] == "failed"
        assert "exists already" in row["error"]
        assert (
            await asyncio.to_thread(
                lambda: Repository(found.hive.paths.proposed("alice")).git("rev-parse", "HEAD")
            )
            == sha
        )
        _, error = await line.refused("request_init_config", name="alice")
        assert "exists already" in error


@pytest.mark.parametrize("written", [False, True])
async def test_a_daemon_that_ends_in_the_middle_writes_it_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    reached = asyncio.Event()
    write = repositories.write_repository

    async def stopping(*arguments: Any) -> str:
        if written:
            await write(*arguments)
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(repositories, "write_repository", stopping)
    async with field(site, ScriptedRuntime()) as found:
        line, host = await found.manager(), await found.host()
        number = (await line.ok("request_init_config", name="alice"))["approval"]
        await host.ok("approve", id=number)
        await reached.wait()
        left = site.state_dir / f"{PREFIX}left"
        await asyncio.to_thread(left.mkdir)
        await found.hive.close(keep_agents=True)
    monkeypatch.undo()
    async with field(site, ScriptedRuntime()) as found:
        ended = await found.hive.parts.approvals.wait_carried_out(number)
        assert (ended.state.value, ended.error) == ("done", None)
        assert "answer.sh" in await text_of(found, "alice")
        assert not await asyncio.to_thread(left.exists)


async def test_one_that_was_written_is_done_also_after_the_manager_has_committed(
    site: Site,
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await granted(found, name="alice")
        sha = await found.commit()
        approval = await found.hive.parts.approvals.get(1)
        assert approval.kind is ApprovalKind.INIT_CONFIG
        configs: FirstConfigs = found.hive.parts.first_configs
        await configs.carry_out(approval)
        assert (
            await asyncio.to_thread(
                lambda: Repository(found.hive.paths.proposed("alice")).git("rev-parse", "HEAD")
            )
            == sha
        )


def test_secrets_are_left_out_at_any_depth() -> None:
    manifest = attrs.evolve(EXEC, env={"TOKEN": "hunter2", "KEY": "x"}, memory_max="3G")
    values, left_out = without_secrets(manifest)
    assert left_out == ["env.TOKEN", "env.KEY"]
    assert "env" not in values or values["env"] == {}
    assert "hunter2" not in repr(values)
    assert values["memory_max"] == "3G"
