"""The verb that teaches a shell to complete verbs, options and names."""

from __future__ import annotations

import click

from hive.cli import output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes names in a shell: `eval "$(hive-c0re completion bash)"`."""
    from click.shell_completion import get_completion_class

    from hive.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None, "the choice above allows only shells that click knows"
    output.lines([found(cli, {}, output.PROGRAM, "_HIVE_C0RE_COMPLETE").source()])
