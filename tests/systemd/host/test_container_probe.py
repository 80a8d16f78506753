"""A probe runs inside a real container, with the exit status of its program."""

import time

from tests.systemd.host.lab import ContainerLab


async def test_a_probe_has_the_place_and_the_exit_status_of_its_program(lab: ContainerLab) -> None:
    spec = lab.script(ContainerLab.SCRIPTS["waiter"])
    await lab.start(spec)
    await lab.ready()
    lines: list[str] = []
    command = ("/bin/sh", "-c", 'echo "$HIVE_NAME $HIVE_SOCKET"; pwd; echo bad >&2; exit 3')
    outcome = await lab.runtime.probe(spec, command, deadline=20, on_line=lines.append)
    assert outcome.status == 3
    inside = f"/agents/{spec.name}/state"
    assert sorted(lines) == sorted([f"{spec.name} /run/hive/mcp.sock", inside, "bad"])
    assert (await lab.runtime.probe(spec, ("/bin/true",), deadline=20)).ok


async def test_a_probe_that_hangs_is_ended_inside(lab: ContainerLab) -> None:
    spec = lab.script(ContainerLab.SCRIPTS["waiter"])
    await lab.start(spec)
    await lab.ready()
    started = time.monotonic()
    outcome = await lab.runtime.probe(spec, ("/bin/sleep", "777"), deadline=1)
    assert not outcome.ok
    assert time.monotonic() - started < 10
    left = await lab.runtime.probe(
        spec, ("/bin/sh", "-c", "! grep -lz '^777' /proc/[0-9]*/cmdline"), deadline=20
    )
    assert left.ok, str(left)
    assert spec.name in await lab.runtime.running()
