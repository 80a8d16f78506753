"""The verb that shows and chooses the model and the effort of an agent."""

from __future__ import annotations

from typing import Any

import click

from hive.cli import options, output, state_reading
from hive.cli.completing import complete_names
from hive.cli.requests import call
from hive.click_types import Name
from hive.escapes import inline
from hive.names import suggest
from hive.view.model_choice import DEFAULT, EFFORTS, choice_lines, choice_of, require_choice


def _known_effort(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    if value is None or value in EFFORTS:
        return value
    nearest = suggest(value, EFFORTS) or f"; choose one of {', '.join(EFFORTS)}"
    raise click.BadParameter(f"there is no effort {value!r}{nearest}", context, parameter)


@click.command("model")
@options.name
@click.argument(
    "model", metavar="[MODEL]", required=False, type=Name(), shell_complete=complete_names
)
@click.option(
    "--effort",
    metavar="EFFORT",
    callback=_known_effort,
    shell_complete=complete_names,
    help=f"The effort: {', '.join(EFFORTS)}.",
)
@options.as_json
def choose_model(name: str, model: str | None, effort: str | None, *, as_json: bool) -> None:
    """Show or choose the model and the effort of an agent with the driver claude.

    What you choose holds from its next turn on, also after restarts; the conversation goes on.
    What is not given stays as it was; 'default' takes a choice back, so that its configuration
    holds again.
    """
    row = state_reading.row_of(name, call("agent_status")["agent_statuses"])
    settings = call("settings", name=row["name"])["settings"]
    require_choice(row, settings)
    is_change = model is not None or effort is not None
    if is_change:
        row = {**row, **_choose(row, model, effort)}
    choice = choice_of(row, settings)
    if as_json:
        output.document(choice, "ModelChoice")
    elif not is_change:
        output.lines(choice_lines(choice))
    else:
        output.hint(f"From its next turn on {inline(row['name'])} uses:")
        for line in choice_lines(choice):
            output.hint(f"  {line}")


def _choose(row: dict[str, Any], model: str | None, effort: str | None) -> dict[str, str | None]:
    """Order the choice; return the fields of the status row that it changes."""
    chosen = {
        "chosen_model": _wanted(model, row.get("chosen_model")),
        "chosen_effort": _wanted(effort, row.get("chosen_effort")),
    }
    call(
        "choose_model",
        name=row["name"],
        model=chosen["chosen_model"],
        effort=chosen["chosen_effort"],
    )
    return chosen


def _wanted(given: str | None, chosen: str | None) -> str | None:
    """Return what is to be chosen; None takes the choice back."""
    if given is None:
        return chosen
    return None if given == DEFAULT else given
