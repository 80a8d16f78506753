"""`doctor` on a host with real problems; `--fix` solves them."""

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
    """Return the warnings and problems, by check.

    That systemd has no control groups for limits is so where the test bed runs in one.
    """
    done = hive.run("doctor", "--config", str(hive.config), "--json", *options)
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout):
        if each["verdict"] not in {"ok", "note"} and each["check"] != "limits":
            assert each["remedy"], "each problem has a remedy"
            found.setdefault(each["check"], []).append(each)
    return found


def generated(name: str) -> list[bool]:
    """Return which of the generated files of an agent's container exist."""
    return [
        (DROP_INS / f"{unit(name)}.d/zz-hyperhive.conf").exists(),
        Path(f"/run/systemd/nspawn/h-{name}.nspawn").exists(),
    ]


def test_remains_of_an_unregistered_agent_are_found_and_removed(hive: ContainerHive) -> None:
    remove_containers()
    hive.configure(ALICE + BOB)
    hive.start()
    for name in ("alice", "bob"):
        hive.until_state(name, "running")
    assert not examined(hive, "--fix", status=0), "no findings"
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
    eventually(
        lambda: not Path("/run/systemd/machines/h-bob").exists(), what="the end of its registration"
    )
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
    theirs = DROP_INS / f"{unit('alice')}.d/zzz-theirs.conf"
    theirs.write_text("[Service]\nRestart=always\n")
    host("systemctl", "daemon-reload")
    try:
        [found] = examined(hive, "--fix", status=1)["restart"]
        assert f"{unit('alice')} has Restart=always" in found["sentence"]
        assert theirs.exists(), "it is not ours"
    finally:
        theirs.unlink()
        host("systemctl", "daemon-reload")


def test_doctor_shows_whether_the_daemon_uses_signals_or_polls(hive: ContainerHive) -> None:
    hive.configure(ALICE)
    hive.start()
    signals = "the daemon hears systemd's signals over D-Bus"
    eventually(lambda: signals in hive.run("doctor").stdout, what="a daemon with D-Bus signals")
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


def test_doctor_shows_what_a_user_other_than_root_cannot_do(hive: ContainerHive) -> None:
    hive.configure(ALICE)
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        config = Path(directory, "hive.toml")
        shutil.copy(hive.config, config)
        as_user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        doctor = (str(PROGRAMS / "hive-c0re"), "doctor", "--config", str(config))
        done = subprocess.run(
            [*as_user, "env", f"HOME={directory}", *doctor],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert "problem  permissions: only root may write the units" in done.stdout
    assert "warning  polkit: polkit" in done.stdout
    assert "so you cannot open a shell in a container" in done.stdout
