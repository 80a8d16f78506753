"""Verbs about messages that participants get again and again."""

from __future__ import annotations

from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names, complete_numbers
from hive.cli.operator_sending import read_body
from hive.cli.requests import call
from hive.click_types import TextCommand, Whole
from hive.view.schedule_lines import schedule_lines


@click.command(cls=TextCommand)
@click.argument("to", shell_complete=complete_names)
@click.argument("when")
@click.argument("body", required=False)
@click.option("--timezone", metavar="ZONE", help="Of a cron expression; by default the host's.")
@click.option("--description", metavar="TEXT", help="What it is for.")
@options.as_json
def schedule(
    *,
    to: str,
    when: str,
    body: str | None,
    timezone: str | None,
    description: str | None,
    as_json: bool,
) -> None:
    """Send a message again and again.

    TO is an agent, the manager or a peer. WHEN is an interval, such as 'every 2h', or a cron
    expression, such as '0 9 * * 1-5'. Without BODY, or with -, the body is read from standard
    input.
    """
    given: dict[str, Any] = {"timezone": timezone, "description": description}
    found = call(
        "schedule",
        to=to,
        when=when,
        body=read_body(body, "BODY", "schedule"),
        **{key: value for key, value in given.items() if value is not None},
    )["schedule"]
    if as_json:
        output.document(found, "ScheduleRow")
    else:
        output.lines(schedule_lines(found))


@click.command()
@click.option(
    *("--cancel", "cancelled"),
    type=Whole(min=1),
    metavar="ID",
    shell_complete=complete_numbers,
    help="End one.",
)
@options.as_json
def schedules(cancelled: int | None, as_json: bool) -> None:
    """Show the messages that are sent again and again, each with when it is due next."""
    if cancelled is not None:
        found = [call("cancel_schedule", id=cancelled)["schedule"]]
    else:
        found = call("schedules")["schedules"]
    if as_json:
        output.document(found, "ScheduleRow")
        return
    if not found:
        output.hint("No schedules.")
    output.lines([line for row in found for line in schedule_lines(row)])
