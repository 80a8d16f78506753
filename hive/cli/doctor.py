"""The verb that examines this machine and the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hive import paths
from hive.cli import options, output
from hive.cli.requests import call
from hive.errors import ConfigError, ExitStatus, HiveError, UnavailableError
from hive.escapes import block, inline
from hive.lock_holder import find_holder

if TYPE_CHECKING:
    from hive.config import HiveConfig
    from hive.findings import Finding


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="The hive.toml to examine.",
)
@click.option(
    "--db", "only_store", is_flag=True, help="Only the store; a missing daemon is no problem."
)
@click.option("--fix", is_flag=True, help="Fix what can be fixed safely.")
@options.as_json
def doctor(config: Path | None, only_store: bool, fix: bool, as_json: bool) -> int:
    """Examine machine and store; each finding says what to do.

    Ends with 1 if there is a problem; warnings alone end with 0.
    """
    from hive.doctor.checks import worst
    from hive.findings import Verdict

    if only_store and (config or fix):
        raise click.UsageError("--db examines only the store; leave out --config and --fix")
    findings = _store(needed=not only_store)
    if not only_store:
        findings = [*_machine(config, fix=fix), *findings]
    _show(findings, as_json=as_json)
    return ExitStatus.FAILED if worst(findings) is Verdict.PROBLEM else ExitStatus.OK


def _machine(config: Path | None, *, fix: bool) -> list[Finding]:
    from hive.doctor.fixes import apply_fixes

    known = _ask("list")
    agents = None if known is None else known["agents"]
    runtime = _ask("runtime")
    examined_config, findings = _configuration(config, runtime)
    examined = _examine(examined_config, agents)
    if fix and agents is None:
        output.complain("the daemon cannot be asked which agents exist, so nothing is removed")
    elif fix and apply_fixes(examined):
        examined = _examine(examined_config, agents)
    asked = (*_event_source(runtime), *_strays(), *_inputs())
    return [*findings, *_conflicts(known), *examined, *asked]


def _configuration(
    config: Path | None, runtime: dict[str, Any] | None
) -> tuple[HiveConfig, list[Finding]]:
    """Return the configuration to examine, and the findings about its file."""
    from hive.config import HiveConfig, RuntimeName, check
    from hive.config.existence import LocalLookup
    from hive.findings import Finding, Verdict

    names = {name.value for name in RuntimeName}
    running = runtime["runtime"] if runtime and runtime["runtime"] in names else "process"
    here = HiveConfig(RuntimeName(running))
    if config is None:
        return here, []
    try:
        return check(config, LocalLookup()), [
            Finding("config", Verdict.OK, f"{config} can be used")
        ]
    except ConfigError as error:
        remedy = "correct it there" if config.is_file() else "give --config the path of a hive.toml"
        return here, [Finding("config", Verdict.PROBLEM, str(error), remedy)]


def _examine(config: HiveConfig, agents: list[str] | None) -> list[Finding]:
    from hive.doctor.checks import examine
    from hive.doctor.facts import gather

    return list(examine(gather(config, agents)))


def _conflicts(known: dict[str, Any] | None) -> list[Finding]:
    """Return the participants that hive.toml contradicts."""
    from hive.findings import Finding, Verdict

    found = (known or {}).get("conflicts") or {}
    halves = [sentence.partition("; ") for sentence in found.values()]
    return [Finding("conflict", Verdict.PROBLEM, what, remedy) for what, _, remedy in halves]


def _event_source(runtime: dict[str, Any] | None) -> list[Finding]:
    """Return how the daemon learns that an agent has ended; nothing if it cannot be asked."""
    from hive.findings import Finding, Verdict

    if runtime is None:
        return []
    sentence = f"the daemon {runtime['hearing']}"
    if runtime["hears"]:
        return [Finding("hearing", Verdict.OK, sentence)]
    remedy = "see the line d-bus above; until then, ends are noticed up to a second late"
    return [Finding("hearing", Verdict.WARNING, sentence, remedy)]


def _strays() -> list[Finding]:
    """Return the containers that run although they should not, as the daemon shows them."""
    from hive.doctor.checks import strays

    answer = _ask("agent_status")
    return [] if answer is None else list(strays(answer["agent_statuses"]))


def _inputs() -> list[Finding]:
    """Return the findings about inputs of NixOS systems; nothing where there are none."""
    from hive.doctor.input_checks import stale_inputs

    answer = _ask("inputs")
    return [] if answer is None else list(stale_inputs(answer["inputs"]))


def _store(*, needed: bool) -> list[Finding]:
    from hive.store.checks import examine

    return [_daemon(needed=needed), *examine(paths.find().database, time.time())]


def _daemon(*, needed: bool) -> Finding:
    """Return whether the daemon can write to the store."""
    from hive.findings import Finding, Verdict

    try:
        answer = call("store")
    except UnavailableError as error:
        if needed:
            sentence = str(error).partition("; ")[0]  # the rest is a remedy, too
            return Finding("daemon", Verdict.PROBLEM, sentence, _start())
        return Finding("daemon", Verdict.OK, "no daemon runs; only the file was examined")
    except HiveError as error:
        return Finding("daemon", Verdict.WARNING, str(error))
    if answer["writable"] and (shortage := answer.get("shortage")):
        sentence = f"participants can store nothing: {shortage}"
        return Finding("daemon", Verdict.PROBLEM, sentence, "make room on this disk")
    if answer["writable"]:
        return Finding("daemon", Verdict.OK, f"the store accepts writes, {answer['durability']}")
    sentence = f"the store refuses writes since {answer['since']}: {answer['trouble']}"
    remedy = "remove the cause; writes resume unless the store is damaged or was moved"
    return Finding("daemon", Verdict.PROBLEM, sentence, remedy)


def _start() -> str:
    """Return the remedy where no daemon answers: end one that runs out of reach before."""
    holder = find_holder(paths.find().lock_file)
    if holder is None:
        return "start it: 'hive-c0re serve'"
    if holder.run_dir and not holder.is_removed:
        return holder.way_to_reach()
    return f"{holder.way_to_end()}, then start it: 'hive-c0re serve'"


def _ask(cmd: str) -> dict[str, Any] | None:
    """Return the daemon's response; None if it cannot be asked."""
    try:
        return call(cmd)
    except HiveError:
        return None


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        output.document(
            [
                {
                    "check": each.check,
                    "verdict": each.verdict.value,
                    "sentence": each.sentence,
                    "remedy": each.remedy or None,
                }
                for each in findings
            ],
            "FindingRow",
        )
        return
    width = max(len(each.verdict) for each in findings)
    for each in findings:
        first, *further = block(each.sentence)
        output.lines([f"{each.verdict.value:{width}}  {each.check}: {first}"])
        output.lines(f"{'':{width}}    {line.strip()}" for line in further)
        if each.remedy:
            output.lines([f"{'':{width}}  -> {inline(each.remedy)}"])
