"""Verbs about what agents are: settings, approvals, deploys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names, complete_numbers
from hive.cli.requests import CHANGE, LOCK, call, follow
from hive.click_types import Whole
from hive.errors import ConflictError, FailedError
from hive.escapes import block, inline
from hive.view.change_lines import (
    approval_line,
    approval_lines,
    audit_line,
    behind_lines,
    deploy_line,
    history_line,
    setting_lines,
)

number = click.argument("number", metavar="ID", type=Whole(min=1), shell_complete=complete_numbers)
numbers = click.argument(
    "numbers",
    metavar="ID...",
    type=Whole(min=1),
    nargs=-1,
    required=True,
    shell_complete=complete_numbers,
)
commit = click.option(
    "--sha", metavar="COMMIT", help="The commit that you looked at; another one is refused."
)
_OPEN = frozenset({"pending", "held"})
_DECIDABLE = {
    "approve": _OPEN | {"approved", "done", "failed"},
    "deny": _OPEN | {"denied"},
}
"""States in which a verb decides, or repeats what was decided; see `hive.approvals.decisions`."""

most = click.option(
    "-n", "most", type=Whole(1, 1000), default=50, show_default=True, help="At most this many."
)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@options.before
@options.as_json
def pending(everything: bool, before: int | None, as_json: bool) -> None:
    """Show what waits for your decision, oldest first.

    'hive-c0re diff ID' shows what an approval changes, 'approve ID' and 'deny ID' decide.
    """
    if before is not None and not everything:
        raise click.UsageError("--before is for --all; what waits is shown whole")
    wanted: dict[str, Any] = {"max": 100, "before": before} if everything else {}
    found = call("pending", **wanted)["approvals"]
    if as_json:
        output.document(found, "ApprovalRow")
        return
    if not found:
        output.hint("No approvals." if everything else "Nothing waits for a decision.")
    now = time.time()
    output.lines([approval_line(row, now) for row in found])


@click.command()
@number
@options.as_json
def approval(number: int, as_json: bool) -> None:
    """Show one approval in detail, and what waits with it."""
    answer = call("approval", id=number)
    row = answer["approval"]
    if as_json:
        output.document(row, "ApprovalRow")
    else:
        output.lines([*approval_lines(row, time.time()), *behind_lines(answer)])


@click.command()
@number
@click.option("--base", metavar="COMMIT", help="Compare with this commit, not with what runs.")
def diff(number: int, base: str | None) -> None:
    """Show what an approval changes, as a patch.

    What does not print as itself is shown as an escape. No file can be hidden from it.
    """
    fields: dict[str, Any] = {} if base is None else {"base": base}
    patch = call("diff", id=number, **fields)["diff"]
    if not patch:
        output.hint("Nothing: the files are those that run.")
        return
    output.lines(block(patch))


@click.command()
@options.name
@options.as_json
def show(name: str, as_json: bool) -> None:
    """Show the settings of a participant as they are in force.

    Each has where it comes from. Secrets are not shown.
    """
    found = call("settings", name=name)["settings"]
    if as_json:
        output.document(found, "SettingRow")
    else:
        output.lines(setting_lines(found))


@click.command()
@numbers
@commit
@click.option("--note", metavar="TEXT", help="A note, for who asked and for the audit.")
def approve(numbers: tuple[int, ...], sha: str | None, note: str | None) -> None:
    """Approve what waits; it is carried out at once."""
    _decide("approve", numbers, sha, note)


@click.command()
@numbers
@commit
@click.option("--reason", "note", metavar="TEXT", help="The reason, for who asked.")
def deny(numbers: tuple[int, ...], sha: str | None, note: str | None) -> None:
    """Deny what waits."""
    _decide("deny", numbers, sha, note)


def _decide(verb: str, numbers: tuple[int, ...], sha: str | None, note: str | None) -> None:
    if sha is not None and len(numbers) > 1:
        raise click.UsageError("--sha is for one approval; give one ID")
    wanted: dict[str, Any] = {"sha": sha, "note": note}
    given = {key: value for key, value in wanted.items() if value is not None}

    def decide(each: str) -> None:
        row = call(verb, id=int(each), **given)["approval"]
        output.lines([approval_line(row, time.time())])

    chosen = list(dict.fromkeys(numbers))
    if len(chosen) > 1:
        _require_decidable(verb, chosen)
    output.each([str(each) for each in chosen], decide)


def _require_decidable(verb: str, numbers: Sequence[int]) -> None:
    """Require that each of several approvals can be decided so, before the first one is.

    Raises:
        HiveError: One of them does not exist, or was decided otherwise.
    """
    for each in numbers:
        state = call("approval", id=each)["approval"]["status"]
        if state not in _DECIDABLE[verb]:
            raise ConflictError(f"nothing was done: approval {each} is {state}")


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@most
@options.before
@options.as_json
def audit(name: str | None, most: int, before: int | None, as_json: bool) -> None:
    """Show who decided what, newest last, refusals included.

    With NAME, only what is about that participant.
    """
    found = call("audit", max=most, before=before, **_about(name))["entries"]
    if as_json:
        output.document(found, "AuditRow")
        return
    if not found:
        output.hint("Nothing was decided or refused yet.")
    output.lines([audit_line(row) for row in found])


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@most
@click.option(
    *("--cancel", "cancelled"),
    type=Whole(min=1),
    metavar="ID",
    shell_complete=complete_numbers,
    help="Cancel one.",
)
@click.option(
    *("-f", "--follow", "followed"),
    type=Whole(min=1),
    metavar="ID",
    shell_complete=complete_numbers,
    help="Follow the output of one from its beginning until it has ended.",
)
@options.before
@options.as_json
def deploys(
    *,
    name: str | None,
    most: int,
    cancelled: int | None,
    followed: int | None,
    before: int | None,
    as_json: bool,
) -> None:
    """Show deploys, newest last, each with its step.

    A deploy that has changed nothing yet can be cancelled.
    """
    if followed is not None:
        _follow(followed, as_json=as_json)
        return
    if cancelled is not None:
        found = [call("cancel_deploy", id=cancelled)["deploy"]]
    else:
        found = call("deploys", max=most, before=before, **_about(name))["deploys"]
    if as_json:
        output.document(found, "DeployRow")
        return
    if not found:
        output.hint("No deploys.")
    now = time.time()
    output.lines([deploy_line(row, now) for row in found])


@click.command()
@options.name
@click.argument(
    "number",
    metavar="[ID]",
    type=Whole(min=1),
    required=False,
    shell_complete=complete_numbers,
)
def rollback(name: str, number: int | None) -> None:
    """Deploy again what an agent ran before, or what the deploy ID had.

    With '*' in place of a name, all NixOS systems return to the inputs before the newest
    update-inputs, or to those of the deploy ID; agents keep their commits.
    """
    fields = {} if number is None else {"id": number}
    found = call("rollback", timeout=LOCK, name=name, **fields)
    if "approval" in found:
        output.lines([approval_line(found["approval"], time.time())])
        output.hint("'hive-c0re deploys' shows its deploy, 'hive-c0re deploys -f ID' follows it.")
    else:
        output.lines([deploy_line(found["deploy"], time.time())])


@click.command()
@options.name
@most
@options.before
@options.as_json
def history(name: str, most: int, before: int | None, as_json: bool) -> None:
    """Show what an agent ran, newest last.

    Each deploy has when it was, who asked, who decided, and how it ended. The name of an agent that
    was destroyed is known, too.
    """
    found = call("history", name=name, max=most, before=before)
    if as_json:
        output.document(found["entries"], "HistoryRow")
        return
    now = time.time()
    output.lines([history_line(row, now) for row in found["entries"]])
    runs = found.get("runs")
    what = f"The configuration of {name} comes from {runs}" if runs else f"There is no {name} now"
    output.hint(f"{inline(what)}.")


@click.command()
@options.name
@click.option(
    "--from",
    "template",
    metavar="TEMPLATE",
    shell_complete=complete_names,
    help="claude, command, or an agent to copy; by default what it runs.",
)
def init_config(name: str, template: str | None) -> None:
    """Write a first proposed repository for an agent, and print its path.

    The manager, or you, edit it there and commit; 'request_spawn' and 'request_apply_commit' of the
    manager, or your 'hive-c0re propose NAME', submit the commit. Secrets of a manifest are left
    out.
    """
    fields: dict[str, Any] = {} if template is None else {"template": template}
    output.lines([inline(call("init_config", name=name, **fields)["path"])])


@click.command()
@options.name
@click.argument("wanted", metavar="[COMMIT]", required=False)
@click.option("--description", metavar="TEXT", help="Words for whoever decides.")
@click.option("--yes", is_flag=True, help="Approve it at once.")
@options.as_json
def propose(
    name: str, wanted: str | None, description: str | None, yes: bool, as_json: bool
) -> None:
    """Submit a commit as the configuration of an agent.

    The agent is new or exists. COMMIT is one of its proposed repository, an id of 7 digits at
    least; by default the newest. Nothing changes before the approval.
    """
    row = call(
        "request_spawn", timeout=CHANGE, name=name, commit_ref=wanted, description=description
    )["approval"]
    if yes:
        note = "propose --yes"
        row = call("approve", id=row["id"], sha=row["fetched_sha"], note=note)["approval"]
    if as_json:
        output.document(row, "ApprovalRow")
        return
    output.lines([approval_line(row, time.time())])
    if not yes:
        number = row["id"]
        output.hint(f"'hive-c0re diff {number}' shows it, 'hive-c0re approve {number}' decides.")


@output.following()
def _follow(number: int, *, as_json: bool) -> None:
    """Print the output of a deploy until it has ended; one that did not succeed is an error."""
    for response in follow("follow_deploy", id=number):
        if as_json:
            output.item(response, "DeployOutput")
        elif "lines" in response:
            output.lines([inline(line) for line in response["lines"]])
        if (row := response.get("deploy")) is not None:
            if row["step"] != "deployed":
                raise FailedError(f"deploy {number} of {row['name']!r}: {row['step']}")
            return


def _about(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"name": name}
