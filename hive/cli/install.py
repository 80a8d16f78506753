"""The verb that makes a service of the daemon."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hive.cli import output


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="The hive.toml to serve; without it, what was spawned before.",
)
def install_unit(config: Path | None) -> None:
    """Print the unit file that makes the daemon a service of systemd. Nothing is changed."""
    from hive.cli.unit_file import unit_file

    program = Path(sys.executable).parent / output.PROGRAM
    output.lines(unit_file(program, config and config.absolute()).splitlines())
