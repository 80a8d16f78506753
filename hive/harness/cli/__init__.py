"""The programs `hive-ag3nt` and `hive-m1nd`.

`oneshot` has the verbs that send one request (see `call`), `question_verbs` those about questions
and reminders, `request_verbs` those by which the manager asks the operator, `adapters` those that
connect another program to the hive; `answer_wait` is `send --wait`, `verb_words` names verbs in the
sentences of the daemon, `notes` prints sentences to standard error. `verb_groups` makes programs of
them with click, which is imported for a command line that `quick_participant_verbs` leaves to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from hive import quick_command_lines
from hive.errors import ExitStatus, HiveError
from hive.harness.cli import notes
from hive.harness.cli.quick_participant_verbs import QUICK_VERBS
from hive.harness.cli.verb_words import with_verbs
from hive.program_ends import ended_with
from hive.stdio import escape_unencodable, reopen_closed_stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def agent(args: Sequence[str] | None = None, prog_name: str = "hive-ag3nt") -> NoReturn:
    """Run a command line of `hive-ag3nt` and exit.

    Args:
        args: Words after the program's name; by default those of this process.
        prog_name: What the program is called in texts.
    """
    _run("hive-ag3nt", args, prog_name)


def manager(args: Sequence[str] | None = None, prog_name: str = "hive-m1nd") -> NoReturn:
    """Run a command line of `hive-m1nd` and exit; see `agent`."""
    _run("hive-m1nd", args, prog_name)


def _run(program: str, args: Sequence[str] | None, prog_name: str) -> NoReturn:
    def complain(error: HiveError | str) -> None:
        notes.complain(with_verbs(str(error)))

    def run() -> int:
        verb = quick_command_lines.find(prog_name, QUICK_VERBS, words)
        if verb is None:
            groups = import_module("hive.harness.cli.verb_groups")
            return int(groups.run(program, words, prog_name, complain))
        verb()
        return ExitStatus.OK

    reopen_closed_stdio()
    escape_unencodable()
    notes.RunningProgram.name = prog_name
    words = sys.argv[1:] if args is None else list(args)
    sys.exit(ended_with(run, complain))
