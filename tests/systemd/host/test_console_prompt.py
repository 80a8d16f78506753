"""Why a container ended is right, and its output complete, also behind a prompt."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from hive.exits import How, Signaled
from hive.subprocesses import run_command
from tests.systemd.host.lab import GETTY, ContainerLab
from tests.systemd.prompts import wait_for_prompt

pytestmark = pytest.mark.loops("uvloop")

PATIENT = 20.0

GATE = "echo up > $HIVE_STATE/ready; while [ ! -e $HIVE_STATE/go ]; do sleep 0.05; done"
"""Waits until `go` lets the agent go on."""

AT_PROMPT = f"{GETTY}; {GATE}"
"""Starts a getty before that."""


async def at_the_prompt(lab: ContainerLab, name: str) -> None:
    """Wait until an agent runs, and the getty beside it has printed its prompt."""
    await lab.ready()
    await asyncio.to_thread(wait_for_prompt, name)


def go(lab: ContainerLab, name: str) -> None:
    (lab.paths.agent_state(name) / "go").touch()


@asynccontextmanager
async def nspawn_stopped(name: str) -> AsyncIterator[None]:
    """Stop the nspawn of an agent's container meanwhile, as a busy machine may."""
    show = ("systemctl", "show", f"systemd-nspawn@h-{name}.service", "--property=MainPID")
    outcome = await run_command((*show, "--value"), deadline=PATIENT)
    os.kill(int(outcome.out), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(int(outcome.out), signal.SIGCONT)


@pytest.mark.parametrize(
    ("end", "how"),
    [("kill -KILL $$", Signaled(9)), ("ulimit -c 0; kill -ABRT $$", Signaled(6))],
    ids=["KILL", "ABRT"],
)
async def test_the_first_line_after_the_prompt_and_the_last_words_are_the_agents(
    lab: ContainerLab, end: str, how: How
) -> None:
    spec = lab.script(
        f"{AT_PROMPT}; echo first; echo second; {end}", "waiter", created_at=time.time()
    )
    ends = await lab.start(spec)
    await at_the_prompt(lab, "waiter")
    seen: list[str] = []
    async with aclosing(lab.runtime.follow(spec, 10)) as lines:  # type: ignore[type-var]
        seen.append(await anext(lines))  # of the boot, since the agent has printed none
        await asyncio.to_thread(go, lab, "waiter")
        async with asyncio.timeout(PATIENT):
            while seen[-1] != "second":
                seen.append(await anext(lines))
    ended = await ends.first()
    assert ended.how == how
    assert ended.last_lines == ("first", "second")
    assert tuple(seen[-2:]) == ended.last_lines


async def test_a_killed_first_process_is_told_behind_the_prompt(lab: ContainerLab) -> None:
    ends = await lab.start(lab.script(AT_PROMPT, "waiter"))
    await at_the_prompt(lab, "waiter")
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)


async def test_a_flood_of_output_does_not_hide_that_the_first_process_was_killed(
    lab: ContainerLab,
) -> None:
    ends = await lab.start(lab.script(f"{AT_PROMPT}; exec yes", "waiter"))
    await at_the_prompt(lab, "waiter")
    await asyncio.to_thread(go, lab, "waiter")
    await asyncio.sleep(1)
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)


async def test_nothing_inside_discards_what_nspawn_has_yet_to_read(lab: ContainerLab) -> None:
    """A getty that starts would discard it, but for the 4 KiB that are ready to be read."""
    long = 100 * "."
    getty = "systemctl {} console-getty.service"
    printed = f"seq --format=%g{long} 60; journalctl --sync; {getty.format('start')}; sleep 0.5"
    script = (
        f"{getty.format('stop')}; {GATE}; {printed}; echo up > $HIVE_STATE/ready; kill -KILL $$"
    )
    spec = lab.script(script, "waiter", created_at=time.time())
    ends = await lab.start(spec)
    await lab.ready()
    async with nspawn_stopped("waiter"):
        await asyncio.to_thread(go, lab, "waiter")
        await lab.ready()
    assert (await ends.first()).how == Signaled(9)
    lines = await asyncio.to_thread(lab.runtime.last_lines, spec, 60)
    assert lines == tuple(f"{number}{long}" for number in range(1, 61))
