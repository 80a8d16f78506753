"""Verbs about the daemon and its store."""

from __future__ import annotations

from pathlib import Path

import click

from hive import paths
from hive.cli import options, output
from hive.cli.completing import complete_names
from hive.cli.requests import CHANGE, call
from hive.click_types import WaitSeconds
from hive.errors import ConfigError
from hive.escapes import inline
from hive.view.change_lines import change_lines

SHUTDOWN_WAIT = 600.0
"""Default of `shutdown --wait` in seconds: agents have their stop timeouts."""

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
    help="Show the interactive view on a terminal; without Textual, a status below the events.",
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
@click.option(
    "--wait",
    type=WaitSeconds(min=0),
    is_flag=False,
    flag_value=str(SHUTDOWN_WAIT),
    metavar="[SECONDS]",
    help=f"Return when the daemon has ended ({SHUTDOWN_WAIT:.0f} s at most by default).",
)
def shutdown(keep_agents: bool, wait: float | None) -> None:
    """Shut down the daemon. All agents are stopped first, at once, unless --keep-agents.

    Without --wait, the verb returns before the daemon has ended.
    """
    if wait is None:
        call("shutdown", keep_agents=keep_agents)
        return
    from hive.cli.daemon_end import shut_down

    shut_down(keep_agents=keep_agents, within=wait)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, readable=False, path_type=Path))
@click.option(
    "--keys-only",
    is_flag=True,
    help="Look up no programs and directories: the file is for another machine.",
)
@options.as_json
def check(file: Path, keys_only: bool, as_json: bool) -> None:
    """Check a hive.toml: keys, values, and that the programs and directories exist.

    Needs no daemon. Ends with 7 if there is a problem.
    """
    from hive.config import check as check_file
    from hive.config import load
    from hive.config.existence import LocalLookup

    try:
        config = load(file) if keys_only else check_file(file, LocalLookup())
    except ConfigError as error:
        if as_json:
            output.document({"ok": False, "error": str(error)}, "CheckResult")
        raise
    agents, peers = len(config.all_agents()), len(config.peers)
    if as_json:
        output.document({"ok": True, "agents": agents, "peers": peers}, "CheckResult")
        return
    output.lines([f"{inline(file)} can be used (agents: {agents}, peers: {peers})"])


@click.command()
@click.argument(
    "file", metavar="[agent|hive]", type=click.Choice(["agent", "hive"]), default="hive"
)
@click.option(
    "--json-of",
    "verb",
    metavar="VERB",
    shell_complete=complete_names,
    help="Print the schema of what this verb prints with --json; of 'hive-ag3nt VERB', too.",
)
def schema(file: str, verb: str | None) -> None:
    """Print the JSON schema of hive.toml, or of agent.toml, for an editor.

    With --json-of, it is that of the output of a verb, or of each line, if it prints a line of JSON
    for each item. Needs no daemon.
    """
    if verb is not None:
        from hive.cli.json_contract import schema_of

        output.document(schema_of(verb))
        return
    from hive.config.json_schema import json_schema

    output.document(json_schema(file))


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option(
    "--prune",
    is_flag=True,
    help="Also remove what the file no longer has; its state and mail stay.",
)
@options.as_json
def reload(dry_run: bool, prune: bool, as_json: bool) -> None:
    """Apply hive.toml as it is now, and show what differed.

    A file with a problem changes nothing. Agents run on; what takes effect at their next start is
    marked, and 'hive-c0re status NAME' shows it.
    """
    found = call("reload", timeout=CHANGE, dry_run=dry_run, prune=prune)["changes"]
    if as_json:
        output.document(found, "ChangeRow")
        return
    if not found:
        output.hint("The hive is as hive.toml says.")
    for row in found:
        output.lines(change_lines(row))


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
        output.document(
            {"path": str(made.path), "bytes": made.size, "schema": made.version}, "BackupFile"
        )
