"""Shell completion of the programs: the script for a shell, and the words that fit what is typed.

If the daemon cannot be asked, nothing is offered: a person waits at the shell. `*` is never
offered, since the shell would replace it by the names of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem, get_completion_class

from hive.errors import HiveError

Words = Callable[[click.Context], Iterable[str]]
"""Returns the words that can be given, as the daemon knows them now."""

SECONDS = 1.0
"""Seconds that the daemon may take."""

ZSH_START = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }"
"""Makes `compdef` of zsh available where the user's own file has not done so before."""

_ZSH_AGAIN = """\
{function}_again() {{
    compdef {function}_completion {program}
    add-zsh-hook -d precmd {function}_again
}}
[[ $zsh_eval_context[-1] == loadautofunc ]] || {{
    autoload -Uz add-zsh-hook && add-zsh-hook precmd {function}_again
}}"""
"""Registers the completion of zsh again before the first prompt: a `compinit` of the user's file
that comes later forgets what was registered before."""


def completion_verb(program: str) -> click.Command:
    """Return the verb that prints the script of a program."""
    sentence = (
        f'Print the script that completes names in a shell: `eval "$({program} completion bash)"`.'
    )

    @click.command("completion", help=sentence)
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    @click.pass_context
    def completion(context: click.Context, shell: str) -> None:
        click.echo(completion_script(context.find_root().command, program, shell))

    return completion


def completion_script(command: click.Command, program: str, shell: str) -> str:
    """Return the script that completes the words of a program in a shell.

    Args:
        command: The program as click reads it.
        program: Its name.
        shell: A shell that click knows.
    """
    found = get_completion_class(shell)
    assert found is not None, "the verb allows only shells that click knows"
    function = f"_{program.replace('-', '_')}"
    script = found(command, {}, program, f"{function.upper()}_COMPLETE").source()
    if shell != "zsh":
        return script
    script = script.replace("\n", f"\n{ZSH_START}\n", 1)  # after the mark of its first line
    return f"{script.rstrip()}\n{_ZSH_AGAIN.format(function=function, program=program)}"


def matching(context: click.Context, offered: Words, typed: str) -> list[CompletionItem]:
    """Return the words that are offered, begin as typed, and are not on the line already."""
    try:
        words = list(offered(context))
    except HiveError:
        return []
    used = set(_typed(context))
    return [CompletionItem(word) for word in words if word.startswith(typed) and word not in used]


def _typed(context: click.Context) -> Iterable[str]:
    """Yield the arguments and values that are on the line already."""
    for name, value in context.params.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            yield from map(str, value if isinstance(value, tuple | list) else (value,))
