"""NixOS containers: real units, real builds, and a fake of the program of nixpkgs."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hive.config.model import Bind
from hive.errors import FailedError
from hive.exits import Exited, Rebooted, Signaled
from hive.machines.systemd import nixos_container
from hive.machines.systemd.generated_files import HEADER, Places, write
from hive.machines.systemd.nixos_conf import read_conf
from hive.machines.systemd.nixos_container import NixosContainer
from hive.subprocesses import run_command
from tests.machines.labs import Ends
from tests.systemd import nixos as host
from tests.systemd.host.lab import ContainerLab

PATIENT = 30.0

pytestmark = [
    pytest.mark.loops("uvloop"),
    pytest.mark.skipif(shutil.which("nix") is None, reason=str(host.missing())),
]


@pytest.fixture(scope="session")
def flake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make this host one of NixOS, with a flake that has the systems of its containers."""
    host.install()
    flake = host.make_flake(tmp_path_factory.mktemp("meta"))
    # What a system adds to the unit of its agent, as the module of agents does.
    added = flake / "etc/systemd/system/hive-agent.service.d/overrides.conf"
    added.parent.mkdir(parents=True)
    added.write_text('[Service]\nEnvironment="GREETING=hello"\n')
    return flake


@pytest.fixture
async def nixos(
    flake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ContainerLab]:
    monkeypatch.setenv("PATH", host.PATH)
    lab = ContainerLab(tmp_path)
    lab.runtime = nixos_container.runtime(lab.paths, flake=f"{flake}#{{name}}")
    await lab.runtime.open()
    yield lab
    await lab.clean()
    await asyncio.to_thread(host.destroy_all)
    await lab.runtime.close()


async def asked(*argv: str) -> str:
    outcome = await run_command(argv, deadline=PATIENT, directory=Path("/tmp"))
    assert outcome.ok, str(outcome)
    return outcome.out.strip()


async def start_and_stop(nixos: ContainerLab) -> None:
    """Make alice's container; it is down afterwards."""
    await nixos.start(nixos.script(ContainerLab.SCRIPTS["waiter"]))
    await nixos.ready()
    await nixos.runtime.stop("alice", deadline=PATIENT)


async def listed() -> tuple[str, ...]:
    """Return the containers that `nixos-container list` names, of this hive or not."""
    return tuple((await asked("nixos-container", "list")).split())


async def status(name: str) -> str:
    """Return the output of `nixos-container status`: "up", "down" or "gone"."""
    return (await run_command(("nixos-container", "status", name), deadline=PATIENT)).out.strip()


async def conf(name: str) -> dict[str, str]:
    return read_conf(await asyncio.to_thread((host.CONFS / f"{name}.conf").read_text))


async def test_a_container_is_built_from_its_flake_with_the_hosts_network(
    nixos: ContainerLab, flake: Path
) -> None:
    await start_and_stop(nixos)
    variables = await conf("h-alice")
    assert variables["FLAKE"] == str(flake), "nixos-container keeps no attribute"
    assert (variables["PRIVATE_NETWORK"], variables["HOST_ADDRESS"]) == ("0", "")
    socket = f"--bind-ro={nixos.paths.socket_dir('alice')}:/run/hive"
    assert socket in variables["EXTRA_NSPAWN_FLAGS"]
    assert await listed() == ("h-alice",)
    assert await status("h-alice") == "down"


async def test_a_nixos_container_runs_the_agent_and_shares_the_network(nixos: ContainerLab) -> None:
    script = "readlink /proc/self/ns/net; echo $HIVE_NAME; echo up > $HIVE_STATE/ready; sleep 1000"
    ends = await nixos.start(nixos.script(script))
    await nixos.ready()
    assert await status("h-alice") == "up"
    assert await nixos.runtime.running() == ("alice",)
    ended = await nixos.runtime.stop("alice", deadline=PATIENT)
    assert ended is not None
    network = await asyncio.to_thread(Path("/proc/self/ns/net").readlink)
    assert ended.last_lines == (str(network), "alice")
    assert ended.how == Exited(0)
    assert ends.received == [ended]
    assert await status("h-alice") == "down"


async def test_programs_of_its_system_are_found_by_their_names(nixos: ContainerLab) -> None:
    spec = nixos.command(("own-program", "1000"))
    await nixos.start(spec)
    lines: list[str] = []
    command = ("own-program",)
    probed = await nixos.runtime.probe(spec, command, deadline=PATIENT, on_line=lines.append)
    assert (probed.status, lines) == (0, ["own program, "]), str(probed)
    ended = await nixos.runtime.kill("alice")
    assert ended is not None
    assert ended.last_lines == ("own program, hello",)


async def test_settings_of_a_container_of_its_name_under_another_runtime_are_removed(
    nixos: ContainerLab, tmp_path: Path
) -> None:
    settings = Places.below(tmp_path).nspawn_file("h-alice")
    ours = f"{HEADER}\n[Exec]\nPrivateUsers=pick\n"
    for text, is_kept in ((ours, False), ("[Exec]\nEnvironment=BY=hand\n", True)):
        await asyncio.to_thread(write, {settings: text})
        await start_and_stop(nixos)  # a system cannot boot with a range of users of its own
        assert await asyncio.to_thread(settings.exists) is is_kept
    await asyncio.to_thread(settings.unlink)


async def test_systemd_does_not_restart_it_after_any_exit(nixos: ContainerLab) -> None:
    waiting = nixos.script(ContainerLab.SCRIPTS["waiter"])
    for command, how in (
        (("machinectl", "reboot", "h-alice"), Rebooted()),
        (("machinectl", "kill", "--signal=KILL", "--kill-whom=leader", "h-alice"), Signaled(9)),
    ):
        ends = await nixos.start(waiting)
        await nixos.ready()
        await asked(*command)
        assert (await ends.first()).how == how
        assert await nixos.runtime.running() == ()


async def test_the_drop_in_is_the_same_for_all_runtimes(nixos: ContainerLab) -> None:
    await nixos.start(nixos.script("sleep 1000", stop_timeout=20.0))
    properties = ("--property=Restart", "--property=TimeoutStopUSec", "--property=MemoryMax")
    shown = await asked("systemctl", "show", *properties, "container@h-alice.service")
    assert sorted(shown.split()) == [f"MemoryMax={4 * 2**30}", "Restart=no", "TimeoutStopUSec=35s"]


async def test_an_update_rebuilds_the_system_and_leaves_the_container_running(
    nixos: ContainerLab, flake: Path
) -> None:
    await nixos.start(nixos.script(ContainerLab.SCRIPTS["waiter"]))
    await nixos.ready()
    assert await version_inside(nixos) == "1"
    await asyncio.to_thread(host.release, flake, "2")
    try:
        await NixosContainer(flake=f"{flake}#{{name}}").update(nixos.script("true"))
    finally:
        await asyncio.to_thread(host.release, flake, "1")
    assert await version_inside(nixos) == "2"
    assert await nixos.runtime.running() == ("alice",)
    with pytest.raises(FailedError, match="failed to build container from flake"):
        await NixosContainer(flake=f"{flake}#unknown").update(nixos.script("true"))
    assert await version_inside(nixos) == "2"


async def version_inside(nixos: ContainerLab) -> str:
    """Return the version of the system that alice's container runs."""
    show = ("cat", "/run/current-system/nixos-version")
    return (await nixos.run_inside("alice", show)).out.strip()


async def test_a_nixos_container_has_what_its_agent_has_besides(nixos: ContainerLab) -> None:
    script = (
        "ls /mine 2>/dev/null; touch /mine; grep CapBnd: /proc/self/status; "
        "df --output=fstype /scratch | tail -1; touch /made/mine; sleep 1"
    )
    spec = nixos.script(
        script,
        capabilities=("CAP_SYSLOG",),
        tmpfs=("/scratch:size=8M",),
        ephemeral=True,
        devices=("/dev/null r",),
        binds=(Bind(nixos.paths.state_dir / "made", Path("/made"), create=True),),
    )
    for _ in range(2):
        ended = await (await nixos.start(spec)).first()
        bounding, kind = ended.last_lines  # and no /mine: what it writes outside of binds is lost
        assert int(bounding.split()[1], 16) & 1 << 34
        assert (ended.how, kind) == (Exited(0), "tmpfs")
    assert await asyncio.to_thread((nixos.paths.state_dir / "made/mine").exists)


async def test_a_path_that_the_start_script_would_change_starts_nothing(
    nixos: ContainerLab,
) -> None:
    odd = Bind(nixos.paths.state_dir / "a:b", Path("/odd"), create=True)
    with pytest.raises(FailedError, match="use a plainer path or value"):
        await nixos.start(nixos.script("sleep 1000", binds=(odd,)))
    assert await nixos.runtime.running() == ()


def slow_boot(directory: Path, seconds: float) -> tuple[Bind, ...]:
    """Return binds by which the boot of a container takes at least some seconds."""
    texts = {
        "slow.service": f"[Service]\nType=oneshot\nExecStart=sleep {seconds:g}\n",
        "multi-user.target.d/slow.conf": "[Unit]\nWants=slow.service\n",
    }
    for name, text in texts.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    units = Path("/run/systemd/system")
    return tuple(Bind(directory / name, units / name, read_only=True) for name in texts)


async def test_a_container_is_up_when_its_boot_has_ended(
    nixos: ContainerLab, tmp_path: Path
) -> None:
    """The unit of NixOS waits for the container's own systemd (`--notify-ready=yes`)."""
    begun = asyncio.get_running_loop().time()
    await nixos.start(nixos.script("sleep 1000", binds=slow_boot(tmp_path, 3)))
    assert asyncio.get_running_loop().time() - begun >= 3
    assert await nixos.runtime.running() == ("alice",)


async def test_a_boot_has_the_start_timeout_of_its_agent(
    nixos: ContainerLab, tmp_path: Path
) -> None:
    await start_and_stop(nixos)
    begun = asyncio.get_running_loop().time()
    spec = nixos.script("sleep 1000", binds=slow_boot(tmp_path, 1000), start_timeout=3.0)
    with pytest.raises(FailedError, match=r"alice could not be started: [\s\S]*timeout"):
        await nixos.start(spec)
    assert asyncio.get_running_loop().time() - begun < PATIENT
    assert await nixos.runtime.running() == ()


async def test_a_failed_build_leaves_nothing(nixos: ContainerLab) -> None:
    spec = nixos.script("true", "other")
    with pytest.raises(FailedError, match="does not provide attribute"):
        await nixos.start(spec)
    assert await listed() == ()


async def test_an_interrupted_creation_is_completed(nixos: ContainerLab, flake: Path) -> None:
    with pytest.raises(AssertionError, match="failed to build"):
        await asked("nixos-container", "create", "h-alice", "--flake", f"{flake}#unknown")
    assert await listed() == ("h-alice",), "it has a `.conf` and no system"
    await nixos.start(nixos.script(ContainerLab.SCRIPTS["waiter"]))
    await nixos.ready()
    show = ("readlink", "/run/current-system")
    shown = await nixos.run_inside("alice", show)
    assert shown.out.strip().endswith("-nixos-system-alice"), "alice's, not that of `container`"


async def test_a_renamed_agents_container_keeps_its_system_and_its_files(
    nixos: ContainerLab,
) -> None:
    # They run for a moment: one that ends before it is ready has not started.
    await (await nixos.start(nixos.script("touch /mine; sleep 1"))).first()
    assert await nixos.runtime.can_take_over("h-alice", "carol")
    for _ in range(2):  # idempotent
        await nixos.runtime.take_over("h-alice", "carol")
        assert await listed() == ("h-carol",)
    script = "test -e /mine && cat /run/current-system/nixos-version && sleep 1 && exit 7"
    ended = await (await nixos.start(nixos.script(script, "carol"))).first()
    assert (ended.how, ended.last_lines) == (Exited(7), ("1",))
    await nixos.runtime.destroy("carol", purge=True)
    assert await listed() == ()


async def test_destroying_is_idempotent_and_leaves_no_conf(nixos: ContainerLab) -> None:
    await start_and_stop(nixos)
    await nixos.runtime.destroy("alice", purge=True)
    await nixos.runtime.destroy("alice", purge=True)
    assert await status("h-alice") == "gone"


@pytest.fixture
def declared(nixos: ContainerLab, tmp_path: Path) -> Iterator[Path]:
    with host.declared(tmp_path, "h-alice") as file:
        yield file


async def test_a_declared_container_is_not_touched(nixos: ContainerLab, declared: Path) -> None:
    text = await asyncio.to_thread(declared.read_text)
    spec = nixos.script("exit 0")
    for refused in (
        nixos.runtime.ensure_running(spec, Ends()),
        nixos.runtime.destroy("alice", purge=False),
    ):
        with pytest.raises(FailedError, match="belongs to the host's own NixOS configuration"):
            await refused
    assert await asyncio.to_thread(declared.read_text) == text
    with pytest.raises(AssertionError, match="cannot destroy declarative container"):
        await asked("nixos-container", "destroy", "h-alice")


async def test_a_name_of_eleven_characters_fits_and_of_twelve_does_not(
    nixos: ContainerLab, flake: Path
) -> None:
    await asked("nixos-container", "create", "h-123456789", "--flake", str(flake))
    with pytest.raises(AssertionError, match="is too long"):
        await asked("nixos-container", "create", "h-1234567890", "--flake", str(flake))
    assert await listed() == ("h-123456789",)
