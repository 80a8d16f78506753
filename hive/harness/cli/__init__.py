"""The programs `hive-ag3nt` and `hive-m1nd`.

`oneshot` has the verbs that send one request, `adapters` those that connect another program to the
hive. Only `click` and the standard library are imported until a verb needs more.
"""

from __future__ import annotations

from typing import Any

import click

from hive.errors import INTERRUPTED, HiveError
from hive.escapes import inline
from hive.harness.cli.adapters import hook, mcp_verb, serve
from hive.harness.cli.oneshot import AGENT_VERBS, MANAGER_VERBS
from hive.stdio import reopen_closed_stdio

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class VerbGroup(click.Group):
    """A program that reports an error as one line on standard error and an exit status."""

    def main(self, *args: Any, **given: Any) -> Any:
        """Run a command line."""
        reopen_closed_stdio()
        return super().main(*args, **given)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except HiveError as error:
            click.echo(f"{ctx.info_name}: {inline(error)}", err=True)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(cls=VerbGroup, name="hive-ag3nt", context_settings=CONTEXT)
@click.version_option(package_name="hyperhive")
def agent() -> None:
    """Take part in a hive: the harness of an agent or a peer, and its verbs for scripts."""


@click.group(cls=VerbGroup, name="hive-m1nd", context_settings=CONTEXT)
@click.version_option(package_name="hyperhive")
def manager() -> None:
    """Take part in a hive as its manager: all of hive-ag3nt, and control of the other agents."""


for program, own in ((agent, ()), (manager, MANAGER_VERBS)):
    for verb in (serve, *AGENT_VERBS, *own, hook, mcp_verb(manager=program is manager)):
        program.add_command(verb)
