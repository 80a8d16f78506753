"""The rules of `hive-c0re doctor`: from facts to findings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hive.config import RuntimeName
from hive.doctor import security_checks
from hive.doctor.facts import SHELL_ACTION, Facts, Polkit
from hive.extras import how_to_install
from hive.findings import Finding, Verdict

Check = Callable[[Facts], Iterable[Finding]]


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings about a machine, in the order of the checks."""
    further = OF_PROCESSES if facts.runtime is RuntimeName.PROCESS else OF_CONTAINERS
    return tuple(finding for check in (*COMMON, *further) for finding in check(facts))


def worst(findings: Iterable[Finding]) -> Verdict:
    """Return the most severe verdict."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)


def _ok(check: str, sentence: str) -> Finding:
    return Finding(check, Verdict.OK, sentence)


def _problem(check: str, sentence: str, remedy: str) -> Finding:
    return Finding(check, Verdict.PROBLEM, sentence, remedy)


def _warning(check: str, sentence: str, remedy: str) -> Finding:
    return Finding(check, Verdict.WARNING, sentence, remedy)


def _run_dir(facts: Facts) -> Iterator[Finding]:
    if facts.session_dir is not None:
        yield _warning(
            "run-dir",
            f"logind removes {facts.session_dir} with the sockets when you log out for the last "
            "time; the daemon makes it again if it may",
            "keep it: loginctl enable-linger; or set HYPERHIVE_RUN_DIR to another directory",
        )
        return
    match facts.preserve:
        case None:
            yield _ok(
                "run-dir", "the daemon is no systemd service, so systemd leaves its sockets alone"
            )
        case "yes":
            yield _ok("run-dir", "the sockets' directory survives a restart of the daemon")
        case _:
            yield _problem(
                "run-dir",
                "systemd removes the sockets' directory when the daemon stops, "
                "and containers lose the sockets that are bound into them",
                "set RuntimeDirectoryPreserve=yes, as 'hive-c0re install-unit' does",
            )


def _disks(facts: Facts) -> Iterator[Finding]:
    for each in facts.full_disks:
        yield _problem("disk", f"agents do not start: {each.what}", each.remedy)
    if not facts.full_disks:
        yield _ok("disk", "agents have room to start")


def _pressure(facts: Facts) -> Iterator[Finding]:
    if facts.measures_pressure:
        yield _ok("pressure", "the kernel measures the pressure of this machine (PSI)")
    else:
        yield _warning(
            "pressure",
            "the kernel measures no pressure (PSI), so no start waits while memory is short",
            "boot with psi=1 if the kernel has CONFIG_PSI",
        )


def _controllers(facts: Facts) -> Iterator[Finding]:
    if facts.missing_controllers:
        yield _warning(
            "limits",
            "systemd cannot limit containers: it has no control group controller "
            f"{', '.join(facts.missing_controllers)}",
            "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1, cgroup_enable=memory)",
        )
    else:
        yield _ok("limits", "systemd can limit memory, processes and CPU time of containers")


def _systemd(facts: Facts) -> Iterator[Finding]:
    if facts.booted:
        yield _ok("systemd", "systemd is this machine's first process")
    else:
        yield _problem(
            "systemd",
            "systemd is not this machine's first process",
            "choose the runtime 'process' in hive.toml, or another machine",
        )


def _programs(facts: Facts) -> Iterator[Finding]:
    if facts.missing_programs:
        yield _problem(
            "machined",
            f"missing on PATH: {', '.join(facts.missing_programs)}",
            "install the package systemd-container (Debian); nixos-container is NixOS's own",
        )
    else:
        yield _ok("machined", "all programs that containers need are installed")


def _bus(facts: Facts) -> Iterator[Finding]:
    if not facts.bus_library:
        yield _warning(
            "d-bus",
            "the D-Bus library is not installed, so ends of containers are polled, once a second",
            how_to_install("systemd"),
        )
    elif not facts.bus_socket:
        yield _warning(
            "d-bus",
            "there is no system bus, so ends of containers are polled, once a second",
            "install and start D-Bus (the package dbus on Debian)",
        )
    else:
        yield _ok("d-bus", "systemd reports the ends of containers over D-Bus")


def _permissions(facts: Facts) -> Iterator[Finding]:
    if facts.root:
        yield _ok("permissions", "root may start containers without polkit")
    else:
        yield _problem(
            "permissions",
            "only root may write the units and settings of containers",
            "run the daemon as root: 'hive-c0re install-unit' prints a service for it",
        )


def _origin(facts: Facts) -> Iterator[Finding]:
    wanted = "image" if facts.runtime is RuntimeName.MACHINECTL else "flake"
    if facts.missing_images:
        yield _problem(
            "images",
            f"there is no image {', '.join(facts.missing_images)}",
            "correct 'image' in hive.toml, or make it: 'hive-c0re image debian NAME'",
        )
    elif facts.without_origin:
        yield _problem(
            "images",
            f"the containers of {', '.join(facts.without_origin)} have no {wanted}",
            f"set '{wanted}' in [containers] of hive.toml, or make the containers by hand",
        )
    else:
        yield _ok("images", f"each container exists or has its {wanted}")


def _polkit(facts: Facts) -> Iterator[Finding]:
    match facts.polkit:
        case Polkit.NOT_ASKED:
            yield _ok("polkit", "root needs no permission of polkit")
        case Polkit.ALLOWS:
            yield _ok("polkit", "polkit lets you open shells in containers")
        case Polkit.MISSING | Polkit.REFUSES:
            yield _warning(
                "polkit",
                f"{facts.polkit.value}, so you cannot open a shell in a container",
                f"use sudo, or allow {SHELL_ACTION} to your group by a rule in "
                "/etc/polkit-1/rules.d (package polkitd on Debian)",
            )


def _leftovers(facts: Facts) -> Iterator[Finding]:
    files = facts.orphans.files
    if not files:
        yield _ok("leftovers", "no generated files of agents that do not exist")
        return
    yield Finding(
        "leftovers",
        Verdict.WARNING,
        f"generated files of {_of_no_agent(facts)}: {_list(files)}",
        "remove them, for instance with 'hive-c0re doctor --fix', then systemctl daemon-reload",
        files,
        (("systemctl", "daemon-reload"),),
    )


def _units(facts: Facts) -> Iterator[Finding]:
    found = facts.orphans
    if found.failed:
        yield Finding(
            "units",
            Verdict.WARNING,
            f"systemd lists failed units of {_of_no_agent(facts)}: {_list(found.failed)}",
            "systemctl reset-failed, for instance with 'hive-c0re doctor --fix'",
            commands=(("systemctl", "reset-failed", "--", *found.failed),),
        )
    if found.running:
        yield _warning(
            "units",
            f"units of {_of_no_agent(facts)} run: {_list(found.running)}",
            "stop them with 'systemctl stop' if no other hive has them; doctor never stops a unit",
        )
    if not (found.failed or found.running):
        yield _ok("units", "each unit with our prefix belongs to an agent")


def _containers(facts: Facts) -> Iterator[Finding]:
    found = facts.orphans
    removals = {"machinectl remove": found.images, "nixos-container destroy": found.nixos}
    for removal, names in removals.items():
        if names:
            yield _warning(
                "containers",
                f"containers of {_of_no_agent(facts)}: {_list(names)}",
                f"if their content is not needed: {removal} NAME",
            )
    if not (found.images or found.nixos):
        yield _ok("containers", "each container with our prefix belongs to an agent")


def _of_no_agent(facts: Facts) -> str:
    if facts.all_known:
        return "agents that do not exist"
    return "agents that hive.toml does not name (the daemon cannot be asked)"


def _list(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))


def _restart(facts: Facts) -> Iterator[Finding]:
    for each in facts.restarters:
        yield _problem(
            "restart",
            f"{each.what}, so systemd and hive-c0re would both start or restart it",
            each.remedy,
        )
    if not facts.restarters:
        yield _ok("restart", "only hive-c0re restarts its containers")


def strays(rows: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Return a finding for each agent that the daemon shows as a stray.

    Args:
        rows: The status rows.
    """
    for row in rows:
        if row.get("state") == "stray":
            sentence, _, remedy = str(row.get("reason")).partition("; ")
            yield _warning("strays", f"{row['name']} {sentence}", remedy)


COMMON: tuple[Check, ...] = (_run_dir, _disks, _pressure, security_checks.admins)
"""Checks for every runtime."""

OF_PROCESSES: tuple[Check, ...] = (security_checks.isolation,)
"""Checks for the runtime without containers."""

OF_CONTAINERS: tuple[Check, ...] = (
    *(_systemd, _programs, _bus, _permissions, _polkit, _origin),
    *(_leftovers, _units, _containers, _restart, _controllers),
    *(security_checks.users, security_checks.escapes, security_checks.disk),
)
"""Checks for runtimes with containers."""
