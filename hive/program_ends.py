"""The ends of programs with verbs: an exit status for each, and a sentence for a failure."""

from __future__ import annotations

from hive.errors import BROKEN_PIPE, INTERRUPTED, ExitStatus, HiveError
from hive.stdio import describe_failure, discard_output, has_lost_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def ended_with(run: Callable[[], int], report: Callable[[HiveError | str], object]) -> int:
    """Run a verb and return the exit status of the program.

    Args:
        run: Runs it and returns an exit status, or raises SystemExit with one.
        report: Prints an error of the hive, or a sentence about another failure.
    """
    try:
        return run()
    except SystemExit as ended:
        return int(ended.code or ExitStatus.OK)
    except KeyboardInterrupt:
        return INTERRUPTED
    except HiveError as error:
        report(error)
        return error.exit_status
    except OSError as error:
        if has_lost_reader(error):
            discard_output()
            return BROKEN_PIPE
        report(describe_failure(error))
        return ExitStatus.FAILED
