import pytest
from pathlib import Path
from tests.support.hives import *
from tests.support.runtimes import ScriptedRuntime

@pytest.mark.sim
async def test_smoke(tmp_path):
    rt = ScriptedRuntime()
    async with simulated(tmp_path / "s", rt, swarm("alice", peers=["damocles"], manager=True)) as hive:
        await hive.until_state("alice", "running")
        async with connected(hive.paths.host_socket) as line:
            print(await line.ok("agent_status"))
            print(await line.ok("list"))
        await hive.stop("alice")
    print(rt.calls)

@pytest.mark.sim
async def test_stopped_agent_gets_mail_after_restart(tmp_path):
    rt = ScriptedRuntime()
    async with simulated(tmp_path / "s", rt, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        await hive.stop("alice")
    async with simulated(tmp_path / "s", rt, swarm("alice")) as hive:
        print(await hive.send("alice", "x"))
