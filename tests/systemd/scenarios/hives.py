"""A hive of the real programs whose agents live in containers."""

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually
from tests.systemd.host.lab import IMAGE, bind_lines
from tests.systemd.host.lab import PROGRAMS as BINDS

HEADER = f"""
runtime = "machinectl"
[containers]
image = "{IMAGE}"
programs = "{PROGRAMS}"
{bind_lines(BINDS)}"""


class ContainerHive(HiveOnDisk):
    """A hive whose agents run `hive-ag3nt serve` inside, over the socket that is bound into it."""

    def configure(self, toml: str) -> None:
        """Write hive.toml, after a header for all containers."""
        super().configure(HEADER + toml)

    def close(self) -> None:
        """End the daemon and every container of a hive, and remove the containers."""
        super().close()
        remove_containers()


def host(*argv: str) -> str:
    """Run a command of the host that must succeed and return what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}{last_journal_lines()}"
    return done.stdout


def last_journal_lines() -> str:
    """Return the end of the host's journal, for the message of a failure."""
    argv = ("journalctl", "--no-pager", "--lines=40", "--output=short-monotonic")
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout


def unit(name: str) -> str:
    """Return the service of an agent's container."""
    return f"systemd-nspawn@h-{name}.service"


def shown(service: str, key: str) -> str:
    """Return a property of a unit as systemd shows it."""
    return host("systemctl", "show", "--value", f"--property={key}", service).strip()


def leader(container: str) -> int:
    """Return the first process of a container, as seen from the host."""
    return int(host("machinectl", "show", "--property=Leader", "--value", container))


def kill_container(name: str) -> None:
    """Kill an agent's container from outside, as the kernel would: its init gets SIGKILL."""
    os.kill(leader(f"h-{name}"), signal.SIGKILL)


def remove_containers() -> None:
    """End and remove every container whose name is like one of a hive."""
    for machine in running():
        subprocess.run(["machinectl", "terminate", machine], check=False, stderr=-3)
    eventually(lambda: not running(), what="an end of all machines")
    shown = host("machinectl", "list-images", "--no-legend", "--output=json")
    for image in json.loads(shown or "[]"):
        if image["name"].startswith("h-") or image["name"] == "hm1nd":
            end_container(image["name"])
            host("machinectl", "remove", image["name"])
    # Settings outlive an image that is renamed, and would hold for a later container of the name.
    for directory in ("/etc/systemd/nspawn", "/run/systemd/nspawn"):
        for settings in (*Path(directory).glob("h-*.nspawn"), Path(directory) / "hm1nd.nspawn"):
            settings.unlink(missing_ok=True)


def running() -> list[str]:
    """Return every machine whose name is like one of a hive, of any runtime."""
    shown = json.loads(host("machinectl", "list", "--no-legend", "--output=json") or "[]")
    names = [str(each["machine"]) for each in shown]
    return [name for name in names if name.startswith("h-") or name == "hm1nd"]


def end_container(container: str) -> None:
    """End a container if it runs, and wait until machined has forgotten it."""
    service = f"systemd-nspawn@{container}.service"
    subprocess.run(["systemctl", "kill", "--signal=KILL", service], check=False, stderr=-3)
    eventually(lambda: shown(service, "ActiveState") in {"inactive", "failed"}, what="an end")
    eventually(lambda: not Path("/run/systemd/machines", container).exists(), what="oblivion")
