"""The doctor on a machine where something is really amiss; what it mends is mended."""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.daemons import PROGRAMS, eventually
from tests.systemd.scenarios.hives import (
    ContainerHive,
    host,
    kill_container,
    remove_containers,
    shown,
    unit,
)

ALICE = '[agents.alice]\nexec = ["sleep", "1000"]\n'
BOB = '[agents.bob]\nexec = ["sleep", "1000"]\n'
DROP_INS = Path("/run/systemd/system")


def examined(hive: ContainerHive, *options: str, status: int) -> dict[str, list[dict[str, Any]]]:
    """Return what the doctor finds amiss, by its checks."""
    done = hive.run("doctor", "--config", str(hive.config), "--json", *options)
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout):
        if each["verdict"] != "ok":
            assert each["remedy"], "whatever is amiss comes with what to do"
            found.setdefault(each["check"], []).append(each)
    return found


def generated(name: str) -> list[bool]:
    """Return which of the files that are made for an agent's container are there."""
    return [
        (DROP_INS / f"{unit(name)}.d/50-hyperhive.conf").exists(),
        Path(f"/run/systemd/nspawn/h-{name}.nspawn").exists(),
    ]


def test_what_is_left_of_a_forgotten_agent_is_found_and_mended(hive: ContainerHive) -> None:
    remove_containers()
    hive.configure(ALICE + BOB)
    hive.start()
    for name in ("alice", "bob"):
        hive.until_state(name, "running")
    assert not examined(hive, "--fix", status=0), "a hive in good order"
    hive.kill()
    shutil.rmtree(hive.state_dir)
    hive.configure(ALICE)
    hive.start()
    hive.until_state("alice", "running")

    found = examined(hive, "--fix", status=0)
    assert unit("bob") in found["units"][0]["sentence"]
    assert "'systemctl stop'" in found["units"][0]["remedy"]
    assert shown(unit("bob"), "ActiveState") == "active", "what runs is left alone"
    assert generated("bob") == [True, True], "with its files"

    kill_container("bob")
    eventually(lambda: shown(unit("bob"), "ActiveState") == "failed", what="bob's end")
    eventually(lambda: not Path("/run/systemd/machines/h-bob").exists(), what="oblivion")
    found = examined(hive, status=0)
    assert set(found) == {"leftovers", "units", "containers"}
    assert "machinectl remove" in found["containers"][0]["remedy"]
    assert generated("bob") == [True, True], "looking changes nothing"

    found = examined(hive, "--fix", status=0)
    assert set(found) == {"containers"}, "what holds data is only ever reported"
    assert (generated("bob"), generated("alice")) == ([False, False], [True, True])
    assert not (hive.run_dir / "machines/h-bob").exists()
    assert shown(unit("bob"), "ActiveState") == "inactive"
    assert hive.state("alice") == "running"


def test_a_second_restarter_is_a_problem(hive: ContainerHive) -> None:
    hive.configure(ALICE)
    hive.start()
    hive.until_state("alice", "running")
    theirs = DROP_INS / f"{unit('alice')}.d/60-theirs.conf"
    theirs.write_text("[Service]\nRestart=always\n")
    host("systemctl", "daemon-reload")
    try:
        [found] = examined(hive, "--fix", status=1)["restart"]
        assert f"{unit('alice')} has Restart=always" in found["sentence"]
        assert theirs.exists(), "it is somebody's"
    finally:
        theirs.unlink()
        host("systemctl", "daemon-reload")


def test_it_says_whether_the_daemon_hears_or_polls(hive: ContainerHive) -> None:
    hive.configure(ALICE)
    hive.start()
    heard = "the daemon hears systemd's signals over D-Bus"
    eventually(lambda: heard in hive.run("doctor").stdout, what="a daemon that hears")
    hive.interrupt()
    library = hive.root / "without" / "dbus_fast.py"
    library.parent.mkdir()
    library.write_text('raise ImportError("there is no D-Bus library")')
    hive.env["PYTHONPATH"] = str(library.parent)
    hive.start()
    del hive.env["PYTHONPATH"]
    hive.until_state("alice", "running")
    [found] = examined(hive, status=0)["hearing"]
    assert found["sentence"].startswith("the daemon polls systemd: there is no D-Bus library")


def test_who_is_not_root_is_told_what_that_means(hive: ContainerHive) -> None:
    hive.configure(ALICE)
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        config = Path(directory, "hive.toml")
        shutil.copy(hive.config, config)
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        doctor = (str(PROGRAMS / "hive-c0re"), "doctor", "--config", str(config))
        done = subprocess.run(
            [*as_nobody, "env", f"HOME={directory}", *doctor],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert "problem  permissions: only root may write the units" in done.stdout
    assert "warning  polkit: polkit" in done.stdout
    assert "so you cannot open a shell in a container" in done.stdout
