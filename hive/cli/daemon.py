"""Verbs about the daemon and its store."""

from __future__ import annotations

from pathlib import Path

import click

from hive import paths
from hive.cli import options, output
from hive.cli.requests import call

_DIRECTORY = click.Path(file_okay=False, readable=False, path_type=Path)


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="The hive.toml to run. Default: the agents already known to the store.",
)
@click.option("--run-dir", type=_DIRECTORY, help="Directory of the sockets (HYPERHIVE_RUN_DIR).")
@click.option(
    "--state-dir", type=_DIRECTORY, help="Directory of all durable files (HYPERHIVE_STATE_DIR)."
)
@click.option("--keep-agents", is_flag=True, help="Leave the agents running at shutdown.")
@click.option(
    "--status/--no-status",
    "view",
    default=True,
    help="Show a live status below the events, if on a terminal.",
)
def serve(
    config: Path | None,
    run_dir: Path | None,
    state_dir: Path | None,
    keep_agents: bool,
    view: bool,
) -> int:
    """Run the daemon in the foreground until it is shut down."""
    from hive.daemon.serve import ServeOptions, run
    from hive.paths import Paths

    default = paths.find()
    status: int = run(
        ServeOptions(
            config=config,
            paths=Paths(
                run_dir.absolute() if run_dir else default.run_dir,
                state_dir.absolute() if state_dir else default.state_dir,
            ),
            keep_agents=keep_agents,
            view=view and output.is_terminal(),
        )
    )
    return status


@click.command()
@click.option("--keep-agents", is_flag=True, help="Leave the agents running.")
def shutdown(keep_agents: bool) -> None:
    """Shut down the daemon. Agents are stopped first, in reverse order, unless --keep-agents.

    The verb returns before the daemon has ended.
    """
    call("shutdown", keep_agents=keep_agents)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, readable=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace an existing file.")
@options.as_json
def backup(file: Path, force: bool, as_json: bool) -> None:
    """Copy the store to a file, while everything runs.

    The copy is a snapshot of one moment. It is checked before it is renamed into place, so an
    existing file is always complete.
    """
    from hive.store.backup import back_up

    made = back_up(paths.find().database, file.absolute(), force=force)
    if as_json:
        output.document({"path": str(made.path), "bytes": made.size, "schema": made.version})
