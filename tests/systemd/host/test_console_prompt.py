"""Why a container ended is right, and its output complete, also behind the prompt of a getty."""

import asyncio
import time
from contextlib import aclosing

import pytest

from hive.exits import How, Signaled
from tests.systemd.host.lab import ContainerLab
from tests.systemd.prompts import wait_for_prompt

pytestmark = pytest.mark.loops("uvloop")

PATIENT = 20.0

GATE = "echo up > $HIVE_STATE/ready; while [ ! -e $HIVE_STATE/go ]; do sleep 0.05; done"
"""Waits until `go` lets the agent go on."""


async def at_the_prompt(lab: ContainerLab, name: str) -> None:
    """Wait until an agent runs, and the getty beside it has printed its prompt."""
    await lab.ready()
    await asyncio.to_thread(wait_for_prompt, name)


def go(lab: ContainerLab, name: str) -> None:
    (lab.paths.agent_state(name) / "go").touch()


@pytest.mark.parametrize(
    ("end", "how"),
    [("kill -KILL $$", Signaled(9)), ("ulimit -c 0; kill -ABRT $$", Signaled(6))],
    ids=["KILL", "ABRT"],
)
async def test_the_first_line_after_the_prompt_and_the_last_words_are_the_agents(
    lab: ContainerLab, end: str, how: How
) -> None:
    spec = lab.script(
        f"echo before; {GATE}; echo first; echo second; {end}", "waiter", created_at=time.time()
    )
    ends = await lab.start(spec)
    await at_the_prompt(lab, "waiter")
    seen: list[str] = []
    async with aclosing(lab.runtime.follow(spec, 10)) as lines:  # type: ignore[type-var]
        seen.append(await anext(lines))
        await asyncio.to_thread(go, lab, "waiter")
        async with asyncio.timeout(PATIENT):
            seen += [await anext(lines), await anext(lines)]
    ended = await ends.first()
    assert ended.how == how
    assert ended.last_lines == ("before", "first", "second")
    assert tuple(seen) == ended.last_lines


async def test_a_killed_first_process_is_told_behind_the_prompt(lab: ContainerLab) -> None:
    ends = await lab.start(lab.spec("waiter"))
    await at_the_prompt(lab, "waiter")
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)


async def test_a_flood_of_output_does_not_hide_that_the_first_process_was_killed(
    lab: ContainerLab,
) -> None:
    ends = await lab.start(lab.script(f"{GATE}; exec yes", "waiter"))
    await at_the_prompt(lab, "waiter")
    await asyncio.to_thread(go, lab, "waiter")
    await asyncio.sleep(1)
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)


async def test_what_the_agent_prints_while_the_getty_starts_is_not_lost(lab: ContainerLab) -> None:
    count = "i=0; while [ $i -lt 150 ]; do i=$((i + 1)); echo $i; sleep 0.01; done; kill -KILL $$"
    spec = lab.script(count, "waiter", created_at=time.time())
    ended = await (await lab.start(spec)).first()
    assert ended.how == Signaled(9)
    lines = await asyncio.to_thread(lab.runtime.last_lines, spec, 150)
    assert lines == tuple(map(str, range(1, 151)))
