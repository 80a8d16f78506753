"""The pytest plugin, in a separate pytest: its fixtures, and its cost for runs without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

USES = """
import asyncio

async def echo(message):
    return "re: " + message.body

async def exchange(hive):
    return await hive.answer_to(await hive.send("alice", "hi"))
"""


def run(tmp_path: Path, source: str, *options: str, uses: str = USES) -> str:
    """Run `source` as a test module in a pytest with only the plugins that `options` name."""
    (tmp_path / "test_inner.py").write_text(uses + source)
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-v", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, "test_inner.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


SIMULATED = """
from hive.testing import answering

def test_plain(simulate_hive):
    assert simulate_hive(exchange, agents={"alice": answering(echo)}) == "re: hi"

def test_options_reach_simulate(simulate_hive, tmp_path):
    async def where(hive): return hive.paths.state_dir
    assert simulate_hive(where) == tmp_path / "hive"
    assert simulate_hive(where, state_dir=tmp_path / "other") == tmp_path / "other"
    async def kinds(hive): return (await hive.status("damocles")).kind
    assert simulate_hive(kinds, peers=["damocles"]) == "peer"

def test_a_second_call_continues_with_the_mail_of_the_first(simulate_hive):
    async def write(hive):
        await hive.send("damocles", "hi")
    async def read(hive):
        return [message.body for message in await hive.inbox("damocles")]
    simulate_hive(write, peers=["damocles"])
    assert simulate_hive(read) == ["hi"]
"""


def test_simulations_need_no_async_plugin(tmp_path: Path) -> None:
    output = run(tmp_path, SIMULATED, "-p", "hyperhive")
    assert "plugins: hyperhive" in output
    assert "3 passed" in output


SEEDED = """
def test_fails(simulate_hive):
    async def scenario(hive): assert asyncio.get_running_loop().seed == -1
    simulate_hive(scenario)

def test_fails_with_a_seed_of_its_own(simulate_hive):
    async def scenario(hive): assert asyncio.get_running_loop().seed == -1
    simulate_hive(scenario, seed=5)

def test_fails_without_a_simulation(simulate_hive):
    assert False
"""


@pytest.mark.parametrize(("options", "seed"), [((), 0), (("--hive-seed", "41"), 41)])
def test_the_report_of_a_failed_simulation_has_its_seed(
    tmp_path: Path, options: tuple[str, ...], seed: int
) -> None:
    output = run(tmp_path, SEEDED, "-p", "hyperhive", *options)
    assert "3 failed" in output
    reported = [line for line in output.splitlines() if "--hive-seed" in line]
    assert reported == [
        f"seed {seed}: --hive-seed {seed} repeats it",
        "seed 5: --hive-seed 5 repeats it",
    ]
    assert f"assert {seed} == -1" in output


REAL = """
import pytest
from hive.testing import answering

def test_without_a_plugin(make_hive, tmp_path):
    async def main():
        async with make_hive(agents={"alice": answering(echo)}) as hive:
            assert hive.paths.state_dir == tmp_path / "hive"
            return await exchange(hive)
    assert asyncio.run(main()) == "re: hi"
"""

WITH_ASYNCIO = """
@pytest.mark.asyncio
async def test_with_pytest_asyncio(make_hive):
    async with make_hive(agents={"alice": answering(echo)}) as hive:
        assert await exchange(hive) == "re: hi"
"""


def test_a_hive_in_real_time_needs_no_plugin_either(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, REAL, "-p", "hyperhive")


def test_a_hive_in_real_time_runs_under_pytest_asyncio(tmp_path: Path) -> None:
    scope = "asyncio_default_fixture_loop_scope=function"
    output = run(tmp_path, REAL + WITH_ASYNCIO, "-p", "hyperhive", "-p", "asyncio", "-o", scope)
    assert "2 passed" in output


UNUSED = """
def test_what_was_imported():
    import json, sys
    print("MODULES", json.dumps(sorted(sys.modules)))
"""


def modules(tmp_path: Path, *options: str) -> set[str]:
    output = run(tmp_path, UNUSED, "-s", *options, uses="")
    (line,) = [line for line in output.splitlines() if "MODULES" in line]
    return set(json.loads(line.partition("MODULES")[2].rpartition("]")[0] + "]"))


def test_an_unused_plugin_imports_nothing(tmp_path: Path) -> None:
    added = modules(tmp_path, "-p", "hyperhive") - modules(tmp_path)
    assert {"hive", "hive.testing", "hive.testing.plugin"} <= added
    assert not {name for name in added if name.split(".")[0] in {"actors", "asyncio", "sqlite3"}}
    assert {name for name in added if name.startswith("hive.")} == {
        "hive.testing",
        "hive.testing.plugin",
        "hive.version",
    }


def test_everything_public_can_be_imported_and_nothing_else() -> None:
    import hive.testing

    for name in hive.testing.__all__:
        assert callable(getattr(hive.testing, name))
    with pytest.raises(AttributeError, match=r"module 'hive\.testing' has no attribute 'simulat'"):
        _ = hive.testing.simulat
