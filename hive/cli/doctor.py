"""The verb that examines this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hive.cli import options, out
from hive.cli.host import call
from hive.errors import ExitStatus, HiveError
from hive.view.escape import inline

if TYPE_CHECKING:
    from hive.doctor.checks import Finding


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The hive.toml that is to run here.",
)
@click.option("--fix", is_flag=True, help="Remove generated files that nobody needs any more.")
@options.as_json
def doctor(config: Path | None, fix: bool, as_json: bool) -> int:
    """Examine whether this machine is fit for the hive; each finding says what to do."""
    from hive.config import HiveConfig, load
    from hive.doctor.checks import Verdict, examine, worst
    from hive.doctor.facts import gather

    wanted = HiveConfig() if config is None else load(config)
    known = _agents()
    findings = examine(gather(wanted, known or ()))
    if fix and known is None:
        out.complain("the daemon cannot be asked which agents exist, so nothing is removed")
    elif fix and _remove(findings):
        findings = examine(gather(wanted, known or ()))
    _show(findings, as_json=as_json)
    return ExitStatus.FAILED if worst(findings) is Verdict.PROBLEM else ExitStatus.OK


def _agents() -> list[str] | None:
    try:
        found: list[str] = call("list")["agents"]
    except HiveError:
        return None
    return found


def _remove(findings: tuple[Finding, ...]) -> bool:
    """Remove what can go; return whether there was anything."""
    files = [path for finding in findings for path in finding.removable]
    for path in files:
        path.unlink(missing_ok=True)
    return bool(files)


def _show(findings: tuple[Finding, ...], *, as_json: bool) -> None:
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
