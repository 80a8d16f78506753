"""The verb about the inputs that NixOS systems are built of."""

from __future__ import annotations

import time
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names
from hive.cli.requests import LOCK, call
from hive.escapes import block
from hive.view.change_lines import approval_line, input_lines


@click.command("update-inputs")
@click.argument("inputs", metavar="[INPUT...]", nargs=-1, shell_complete=complete_names)
@click.option("--check", is_flag=True, help="Only show the inputs, and which are stale.")
@click.option("--yes", is_flag=True, help="Approve it at once.")
@click.option("--description", metavar="TEXT", help="Words for whoever decides.")
@options.as_json
def update_inputs(
    inputs: tuple[str, ...], check: bool, yes: bool, description: str | None, as_json: bool
) -> None:
    """Lock newer inputs of the NixOS systems, and submit that.

    INPUT is 'nixpkgs', or 'agent-NAME/INPUT' for an input of an agent's own flake; without any, all
    of them. Nothing changes before the approval. Then every agent that it affects is built and
    restarted, and if one is not healthy, all return to what they ran.
    """
    if check:
        if inputs or yes or description:
            raise click.UsageError("--check only shows all inputs; leave out the others")
        _show(as_json=as_json)
        return
    words = {} if description is None else {"description": description}
    row = call("update_inputs", timeout=LOCK, inputs=list(inputs), **words)["approval"]
    patch = call("diff", id=row["id"])["diff"]
    if yes:
        row = call("approve", id=row["id"], sha=row["fetched_sha"], note="update-inputs --yes")[
            "approval"
        ]
    if as_json:
        output.document(row, "ApprovalRow")
        return
    output.lines([approval_line(row, time.time()), *_indented(patch)])
    output.hint(_next_step(row, approved=yes))


def _show(*, as_json: bool) -> None:
    found: list[dict[str, Any]] = call("inputs")["inputs"]
    if as_json:
        output.document(found, "InputRow")
        return
    if not found:
        output.hint("No inputs: no agent is built from a flake of this hive.")
    output.lines(input_lines(found, time.time()))


def _indented(patch: str) -> list[str]:
    return [f"    {line}".rstrip() for line in block(patch)]


def _next_step(row: dict[str, Any], *, approved: bool) -> str:
    if approved:
        return "'hive-c0re deploys' shows the deploy, and 'hive-c0re deploys -f ID' follows it."
    return f"'hive-c0re approve {row['id']}' carries it out."
