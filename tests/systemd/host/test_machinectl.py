"""`machinectl` containers on a real systemd host."""

import asyncio
import time
from pathlib import Path

import pytest

from hive.config.model import Bind
from hive.errors import FailedError
from hive.exits import Exited, How, Rebooted, Signaled
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.console_output import AGENT
from hive.machines.systemd.event_source import DBusSignals, Polling
from hive.machines.systemd.external_restart import ExternalRestart
from hive.subprocesses import run_command
from tests.machines.labs import Ends
from tests.systemd.host.lab import ContainerLab
from tests.testbed.bus import aside
from tests.testbed.tree import make_image

PATIENT = 30.0
UNIT = "systemd-nspawn@h-{}.service"


async def host(*argv: str) -> str:
    """Run a command on the host and return what it prints."""
    outcome = await run_command(argv, deadline=PATIENT)
    assert outcome.ok, str(outcome)
    return outcome.out.strip()


async def shown(name: str, *properties: str) -> list[str]:
    wanted = [f"--property={each}" for each in properties]
    out = await host("systemctl", "show", *wanted, UNIT.format(name))
    pairs = dict(line.split("=", 1) for line in out.splitlines())
    return [pairs[each] for each in properties]


async def there(*paths: Path) -> list[bool]:
    return await asyncio.to_thread(lambda: [path.exists() for path in paths])


async def test_a_started_container_is_shown_by_systemd(lab: ContainerLab) -> None:
    before = time.time()
    running = await lab.runtime.ensure_running(lab.spec("waiter"), Ends())
    assert await shown("waiter", "InvocationID") == [running.instance]
    assert await host("machinectl", "show", "-pLeader", "--value", "h-waiter") == str(running.pid)
    assert before - 1 < running.since < time.time() + 1
    assert (running.adopted, running.source) == (False, "systemd")
    assert lab.runtime.event_source == DBusSignals()
    assert lab.runtime.name == "machinectl"


async def test_systemd_does_not_restart_it_and_its_limits_are_set(lab: ContainerLab) -> None:
    await lab.start(lab.script("sleep 1000", "waiter", stop_timeout=20.0, memory_max="1G"))
    properties = ("Restart", "RestartForceExitStatus", "TimeoutStopUSec", "MemoryMax")
    assert await shown("waiter", *properties, "CPUQuotaPerSecUSec") == [
        *("no", "", "35s"),
        *(str(2**30), "2s"),
    ]


async def test_a_stop_in_time_is_a_clean_exit(lab: ContainerLab) -> None:
    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    assert ended is not None
    assert ended.how == Exited(0)
    assert ends.received == [ended]
    assert (await run_command(("machinectl", "show", "h-waiter"), deadline=PATIENT)).status == 1


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 7", Exited(7)),
        ("exit 133", Exited(133)),
        ("exit 255", Exited(255)),
        ("kill -SEGV $$", Signaled(11)),
        ("kill -KILL $$", Signaled(9)),
        ("exec /no/such/program", Exited(127)),
    ],
)
@pytest.mark.loops("uvloop")
async def test_the_exit_of_the_agent_is_that_of_the_container(
    lab: ContainerLab, script: str, how: How
) -> None:
    ended = await (await lab.start(lab.script(f"echo started; {script}"))).first()
    assert ended.how == how
    assert "started" in ended.last_lines


async def test_a_missing_program_is_an_exit_with_its_reason(lab: ContainerLab) -> None:
    ended = await (await lab.start(lab.command(("/no/such/program",)))).first()
    assert ended.how == Exited(203)
    assert "its program does not exist inside the container" in ended.last_lines[-1]


async def test_a_killed_init_is_reported_at_once(lab: ContainerLab) -> None:
    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)


async def test_a_reboot_from_inside_is_no_crash_and_systemd_does_not_restart_it(
    lab: ContainerLab,
) -> None:
    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    await host("machinectl", "reboot", "h-waiter")
    assert (await ends.first()).how == Rebooted()
    assert await lab.runtime.running() == ()


async def restarted_from_outside(lab: ContainerLab) -> Ends:
    """Start "waiter" and restart its unit with systemctl; return the watcher.

    systemd-nspawn may refuse the start in the middle of a restart, because machined has not yet
    unregistered the old machine. Then the container has ended, and all is tried again.
    """
    argv = ("systemctl", "restart", UNIT.format("waiter"))
    for _ in range(3):
        ends = await lab.start(lab.spec("waiter"))
        await lab.ready()
        outcome = await run_command(argv, deadline=PATIENT)
        if outcome.ok:
            await lab.ready()
            return ends
        await ends.first()
    raise AssertionError(f"no restart succeeded: {outcome}")


async def test_a_restart_by_the_operator_is_reported_and_is_no_exit(lab: ContainerLab) -> None:
    reported: asyncio.Future[ExternalRestart] = asyncio.get_running_loop().create_future()
    lab.runtime.on_external_restart = reported.set_result
    ends = await restarted_from_outside(lab)
    restart = await reported
    assert restart.now.instance != restart.before.instance
    assert await shown("waiter", "InvocationID") == [restart.now.instance]
    assert ends.received == []
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)


async def test_the_next_daemon_adopts_running_containers(lab: ContainerLab) -> None:
    first = Ends()
    started = await lab.runtime.ensure_running(lab.spec("waiter"), first)
    await lab.ready()
    await lab.runtime.close()
    lab.runtime = lab.another_runtime()
    await lab.runtime.open()
    ends = Ends()
    adopted = await lab.runtime.adopt(lab.spec("waiter"), ends)
    assert adopted is not None
    assert (adopted.instance, adopted.pid) == (started.instance, started.pid)
    assert adopted.since == pytest.approx(started.since, abs=0.5)
    assert adopted.adopted
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)
    assert first.received == []


async def test_without_the_bus_an_exit_is_found_by_polling(lab: ContainerLab) -> None:
    await lab.runtime.close()
    lab.runtime = lab.another_runtime(listen=False)
    await lab.runtime.open()
    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    await lab.end_from_outside("waiter")
    assert (await ends.first()).how == Signaled(9)
    assert isinstance(lab.runtime.event_source, Polling)


@pytest.mark.parametrize("kind", ["directory", "tar"])
@pytest.mark.loops("uvloop")
async def test_a_container_is_made_of_an_image(
    lab: ContainerLab, tmp_path: Path, kind: str
) -> None:
    image = tmp_path / "image"
    make_image(image)
    if kind == "tar":
        await host("tar", "-C", str(image), "-cf", str(tmp_path / "image.tar"), ".")
        image = tmp_path / "image.tar"
    await lab.runtime.close()
    lab.runtime = lab.another_runtime(image=str(image))
    await lab.runtime.open()
    ends = await lab.start(lab.script("echo hello", "fresh"))
    assert (await ends.first()).last_lines == ("hello",)
    await lab.runtime.destroy("fresh", purge=True)
    assert not await asyncio.to_thread(Path("/var/lib/machines/h-fresh").exists)


async def test_a_container_without_an_image_is_an_error(lab: ContainerLab) -> None:
    await lab.runtime.close()
    for image, words in ((None, "no image"), ("/no/such.tar", "does not exist"), ("nix", "nix")):
        lab.runtime = lab.another_runtime(image=image)
        await lab.runtime.open()
        with pytest.raises(FailedError, match=words):
            await lab.start(lab.script("true", "new"))
        await lab.runtime.close()
    await lab.runtime.open()


async def test_destroying_keeps_the_agents_files_unless_they_are_purged(lab: ContainerLab) -> None:
    spec = lab.spec("done")
    await (await lab.start(spec)).first()
    drop_in = Path(f"/run/systemd/system/{UNIT.format('done')}.d/zz-hyperhive.conf")
    nspawn = Path("/run/systemd/nspawn/h-done.nspawn")
    ours = (drop_in, nspawn, drop_in.parent)
    assert await there(*ours, spec.state_dir) == [True, True, True, True]
    await lab.runtime.destroy("done", purge=False)
    assert await there(*ours, spec.state_dir) == [False, False, False, True]
    await lab.runtime.destroy("done", purge=True)
    assert await there(spec.state_dir.parent) == [False]


async def test_arguments_and_variables_arrive_unchanged(lab: ContainerLab) -> None:
    odd = 'a "b" $HOME %i \\n ; é'
    script = 'printf "%s\\n" "$1" "$ODD" "$PWD" "$HIVE_NAME" "$HOME"'
    spec = lab.command(("/bin/sh", "-c", script, "sh", odd), environment={"ODD": odd})
    ended = await (await lab.start(spec)).first()
    assert ended.last_lines == (odd, odd, "/agents/alice/state", "alice", "/root")


async def test_a_command_inside_has_its_true_exit_status(lab: ContainerLab) -> None:
    await lab.start(lab.spec("waiter"))
    await lab.ready()
    inside = await lab.run_inside("waiter", ("/bin/sh", "-c", "hostname; exit 5"))
    assert (inside.status, inside.out) == (5, "h-waiter\n")


async def test_a_missing_bind_is_an_error_before_the_start(lab: ContainerLab) -> None:
    missing = Bind(Path("/no/such/keys"), Path("/keys"), read_only=True)
    with pytest.raises(FailedError, match="/no/such/keys"):
        await lab.start(lab.script("true", binds=(missing,)))


async def test_the_error_of_a_failed_start_is_that_of_nspawn(lab: ContainerLab) -> None:
    spec = lab.script("true", "broken")
    await (await lab.start(spec)).first()
    await asyncio.to_thread(Path("/var/lib/machines/h-broken/etc/os-release").unlink)
    with pytest.raises(FailedError, match="os-release file is missing"):
        await lab.runtime.ensure_running(spec, Ends())
    await lab.runtime.destroy("broken", purge=True)


async def test_a_start_waits_for_the_end_of_an_external_stop(lab: ContainerLab) -> None:
    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    await host("machinectl", "poweroff", "h-waiter")
    await ends.first()
    again = await lab.runtime.ensure_running(lab.spec("waiter"), Ends())
    assert not again.adopted


@pytest.fixture
def damocles() -> str:
    """Return the name of a container that is not ours; its unit shares nothing with ours."""
    root = Path("/var/lib/machines/damocles")
    if not root.exists():
        make_image(root)
    settings = Path("/run/systemd/nspawn/damocles.nspawn")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(
        "[Exec]\nBoot=yes\nPrivateUsers=no\n[Files]\nBindReadOnly=/usr\n"
        "[Network]\nVirtualEthernet=no\n"
    )
    return root.name


async def test_containers_of_others_are_not_listed(lab: ContainerLab, damocles: str) -> None:
    await host(*aside("systemctl", "start", f"systemd-nspawn@{damocles}.service"))
    assert await lab.runtime.running() == ()
    await lab.start(lab.spec("waiter"))
    assert await lab.runtime.running() == ("waiter",)
    await host(*aside("systemctl", "stop", f"systemd-nspawn@{damocles}.service"))


@pytest.mark.parametrize("private_users", [True, False])
async def test_credentials_are_loaded_by_the_systemd_inside_and_shown_nowhere(
    lab: ContainerLab, tmp_path: Path, private_users: bool
) -> None:
    secret = tmp_path / "token"
    await asyncio.to_thread(secret.write_text, "hush-hush")
    script = (
        'stat -c %a "$CREDENTIALS_DIRECTORY/token" > /agents/alice/state/got; '
        'cat "$CREDENTIALS_DIRECTORY/token" >> /agents/alice/state/got; '
        "echo > /agents/alice/state/ready; exec sleep 1000"
    )
    spec = lab.script(script, credentials={"token": secret}, private_users=private_users)
    await lab.start(spec)
    await lab.ready()
    got = await asyncio.to_thread((spec.state_dir / "got").read_text)
    mode, content = got.splitlines()
    assert (mode, content) == ("400", "hush-hush")
    unit = await lab.run_inside("alice", ("systemctl", "cat", f"{AGENT}.service"))
    assert "LoadCredential=token:/run/hive-credentials/token\n" in unit.out
    inside = await lab.run_inside("alice", ("systemctl", "show", f"{AGENT}.service"))
    assert inside.ok
    outside = await host("systemctl", "show", UNIT.format("alice"))
    assert "hush-hush" not in inside.out + outside
    assert not [line for line in await lines_of(lab, spec) if "hush" in line]
    await lab.runtime.stop("alice", deadline=10)
    await asyncio.to_thread(secret.unlink)
    with pytest.raises(FailedError, match="the credential 'token' cannot be read"):
        await lab.start(spec)


async def lines_of(lab: ContainerLab, spec: MachineSpec) -> tuple[str, ...]:
    return await asyncio.to_thread(lab.runtime.last_lines, spec, 100)


async def test_a_container_stays_while_machined_gives_no_answer(lab: ContainerLab) -> None:
    """Its absence is no answer either: it would be made again, and removed when that fails."""
    spec = lab.script("exec sleep 1000")
    await lab.start(spec)
    await lab.runtime.kill("alice")
    kept = Path("/var/lib/machines/h-alice/kept")
    await asyncio.to_thread(kept.touch)
    await host("systemctl", "mask", "--runtime", "--now", "systemd-machined.service")
    try:
        with pytest.raises(FailedError, match="machinectl show-image"):
            await lab.start(spec)
        with pytest.raises(FailedError, match="machinectl show-image"):
            await lab.runtime.destroy("alice", purge=False)
    finally:
        await host("systemctl", "unmask", "--runtime", "systemd-machined.service")
    assert await there(kept) == [True]
    await lab.start(spec)
    await lab.runtime.kill("alice")
    await lab.runtime.destroy("alice", purge=False, only_made=False)
    assert await there(kept.parent) == [False]
    machines = await host("machinectl", "list-images", "--no-legend")
    assert "h-alice" not in machines


async def test_a_container_of_others_stays_where_only_what_was_made_is_removed(
    lab: ContainerLab,
) -> None:
    await host("machinectl", "clone", "hive-image", "h-others")
    await lab.start(lab.script("exec sleep 1000", "others"))
    await lab.runtime.kill("others")
    await lab.runtime.destroy("others", purge=True, only_made=True)
    root = Path("/var/lib/machines/h-others")
    assert await there(root) == [True]
    await lab.runtime.destroy("others", purge=True)
    assert await there(root) == [False]
