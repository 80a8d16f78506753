"""Another restarter of an agent's container is found before a start, whoever configured it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, host, kill_container, shown, unit

AGENT = '[agents.bob]\nexec = ["sleep", "1000"]\n'
TEMPLATE = Path("/etc/systemd/system/systemd-nspawn@.service.d")
UNITS = Path("/etc/systemd/system")
REFERENCE = UNITS / "reference.target"
"""By it, systemd keeps the target loaded that wants the container, and does not start it."""


@contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """Have a file of the administrator's that systemd has read."""
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    host("systemctl", "daemon-reload")
    try:
        yield
    finally:
        path.unlink()
        if is_new:
            path.parent.rmdir()
        host("systemctl", "daemon-reload")


@pytest.mark.parametrize("setting", ["Restart=always", "RestartForceExitStatus=133"])
def test_our_drop_in_beats_that_of_systemctl_edit(hive: ContainerHive, setting: str) -> None:
    hive.configure(AGENT)
    with written(TEMPLATE / "override.conf", f"[Service]\n{setting}\n"):
        hive.start()
        before = hive.until_state("bob", "running")
        assert shown(unit("bob"), "Restart") == "no"
        assert shown(unit("bob"), "RestartForceExitStatus") == ""
        kill_container("bob")
        eventually(lambda: hive.status("bob").get("pid") not in {None, before["pid"]}, what="bob")
        assert hive.status("bob")["restarts"] == 1
        assert shown(unit("bob"), "NRestarts") == "0", "the hive restarted it, not systemd"
        hive.ok("stop", "bob")
        hive.close()


OTHERS = {
    "Restart=always": (TEMPLATE / "zzz.conf", "[Service]\nRestart=always\n"),
    "RestartForceExitStatus=133": (
        TEMPLATE / "zzz.conf",
        "[Service]\nRestartForceExitStatus=133\n",
    ),
    "SuccessExitStatus=133": (TEMPLATE / "zzz.conf", "[Service]\nSuccessExitStatus=133\n"),
    "Upholds=": (UNITS / "keeper.target", f"[Unit]\nUpholds={unit('bob')}\n"),
    "Wants=": (UNITS / "keeper.target", f"[Unit]\nWants={unit('bob')}\n"),
    "BindsTo=": (UNITS / "keeper.target", f"[Unit]\nBindsTo={unit('bob')}\n"),
}
"""Files of an administrator that make systemd start or restart a container, by their setting."""


@pytest.mark.parametrize("setting", OTHERS)
def test_an_agent_with_another_restarter_is_not_started(hive: ContainerHive, setting: str) -> None:
    path, text = OTHERS[setting]
    hive.configure(AGENT)
    with written(path, text):
        if path.suffix == ".target":
            REFERENCE.write_text("[Unit]\nAfter=keeper.target\n")
            host("systemctl", "start", REFERENCE.name)
        try:
            hive.start()
            row = hive.until_state("bob", "failed", within=10)
            assert setting in row["reason"]
            assert str(path) in row["reason"], "which file to change"
            assert shown(unit("bob"), "InvocationID") == "", "it was not started"
            doctor = hive.run("doctor", "--config", str(hive.config))
            assert doctor.returncode == 1
            assert any(
                "problem" in line and "restart" in line and setting in line
                for line in doctor.stdout.splitlines()
            )
            refused = hive.run("start", "bob")
            assert (refused.returncode, setting in refused.stderr) == (1, True)
        finally:
            if path.suffix == ".target":
                host("systemctl", "stop", REFERENCE.name)
                REFERENCE.unlink()
    hive.ok("start", "bob")
    assert hive.state("bob") == "running", "once the file is changed"


def test_an_enabled_unit_is_another_starter(hive: ContainerHive) -> None:
    hive.configure(AGENT)
    host("systemctl", "enable", unit("bob"))
    try:
        hive.start()
        row = hive.until_state("bob", "failed", within=10)
        assert f"systemctl disable {unit('bob')}" in row["reason"]
    finally:
        host("systemctl", "disable", unit("bob"))
    hive.ok("start", "bob")


def test_restarts_by_others_are_counted(hive: ContainerHive) -> None:
    hive.configure(AGENT)
    hive.start()
    hive.until_state("bob", "running")
    path = TEMPLATE / "zzz.conf"
    with written(path, "[Service]\nRestart=always\nRestartSec=1\n"):
        kill_container("bob")
        eventually(lambda: hive.status("bob")["restarts"] == 1, what="a counted restart")
        [event] = [e for e in hive.json("events") if e["event"] == "external_restart"]
        assert str(path) in event["detail"]["reason"]
        hive.ok("stop", "bob", "--now")
