"""The verb that examines this machine and the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hive import paths
from hive.cli import options, out
from hive.cli.host import call
from hive.errors import ExitStatus, HiveError, UnavailableError
from hive.view.escape import inline

if TYPE_CHECKING:
    from hive.config import HiveConfig
    from hive.findings import Finding


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The hive.toml that is to run here.",
)
@click.option("--db", "only_store", is_flag=True, help="Only the store: no daemon is no problem.")
@click.option("--fix", is_flag=True, help="Remove generated files that nobody needs any more.")
@options.as_json
def doctor(config: Path | None, only_store: bool, fix: bool, as_json: bool) -> int:
    """Examine machine and store; each finding says what to do.

    Ends with 1 if there is a problem; warnings alone end with 0.
    """
    from hive.doctor.checks import worst
    from hive.findings import Verdict

    findings = _store(needed=not only_store)
    if not only_store:
        findings = [*_machine(config, fix=fix), *findings]
    _show(findings, as_json=as_json)
    return ExitStatus.FAILED if worst(findings) is Verdict.PROBLEM else ExitStatus.OK


def _machine(config: Path | None, *, fix: bool) -> list[Finding]:
    from hive.config import HiveConfig, load

    wanted = HiveConfig() if config is None else load(config)
    known = _agents()
    findings = _examine(wanted, known)
    if fix and known is None:
        out.complain("the daemon cannot be asked which agents exist, so nothing is removed")
    elif fix and _remove(findings):
        findings = _examine(wanted, known)
    return findings


def _examine(config: HiveConfig, agents: list[str] | None) -> list[Finding]:
    from hive.doctor.checks import examine
    from hive.doctor.facts import gather

    return list(examine(gather(config, agents or ())))


def _store(*, needed: bool) -> list[Finding]:
    from hive.store.checkup import examine

    return [_daemon(needed=needed), *examine(paths.find().database, time.time())]


def _daemon(*, needed: bool) -> Finding:
    """Ask the daemon whether it can store anything."""
    from hive.findings import Finding, Verdict

    try:
        answer = call("store")
    except UnavailableError as error:
        if needed:
            return Finding("daemon", Verdict.PROBLEM, str(error), "start it: hive-c0re serve")
        return Finding("daemon", Verdict.OK, "none runs; this is the file alone")
    except HiveError as error:
        return Finding("daemon", Verdict.WARNING, str(error))
    if answer["writable"]:
        return Finding("daemon", Verdict.OK, f"stores what it is sent, {answer['durability']}")
    seen = f"refuses what it is sent since {answer['since']}: {answer['trouble']}"
    remedy = "end the cause; it takes up again by itself, unless the store is damaged or was moved"
    return Finding("daemon", Verdict.PROBLEM, seen, remedy)


def _agents() -> list[str] | None:
    try:
        found: list[str] = call("list")["agents"]
    except HiveError:
        return None
    return found


def _remove(findings: list[Finding]) -> bool:
    """Remove what can go; return whether there was anything."""
    files = [path for finding in findings for path in finding.removable]
    for path in files:
        path.unlink(missing_ok=True)
    return bool(files)


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        out.document(
            [
                {
                    "check": each.check,
                    "verdict": each.verdict.value,
                    "sentence": each.sentence,
                    "remedy": each.remedy or None,
                }
                for each in findings
            ]
        )
        return
    width = max(len(each.verdict) for each in findings)
    for each in findings:
        out.lines([f"{each.verdict.value:{width}}  {each.check}: {inline(each.sentence)}"])
        if each.remedy:
            out.lines([f"{'':{width}}  -> {inline(each.remedy)}"])
