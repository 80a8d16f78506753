"""What a key leads to, besides the next state. Each names the id that it was drawn for."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from hive.top.last_answers import Request

OF_SERVE = "HYPERHIVE_VIEW_OF_SERVE"
"""Environment variable of a view that a daemon has started: Ctrl-C in it ends the daemon."""


@frozen
class DaemonRequest:
    """Send a request to the daemon.

    Attributes:
        request: It.
        doing: What it does, with the name, such as "restart alice".
        done: What it has done.
        timeout: Seconds that the answer may take.
    """

    request: Request
    doing: str
    done: str
    timeout: float = 120.0


@frozen
class RunVerb:
    """Run a verb of the command line, and show its output.

    Attributes:
        words: Its command line, without the program.
    """

    words: tuple[str, ...]


@frozen
class ReadInbox:
    """Show all unread mail of the operator, then mark just that as read."""


@frozen
class Complete:
    """Find the words that complete a command line.

    Attributes:
        words: The words before the last one.
        typed: The begin of the last one.
    """

    words: tuple[str, ...]
    typed: str


@frozen
class Copy:
    """Put a text on the clipboard of the terminal (OSC 52).

    Attributes:
        text: It.
    """

    text: str


@frozen
class Leave:
    """End the view."""


@frozen
class Suspend:
    """Stop this program until the shell continues it."""


@frozen
class EndDaemon:
    """End the view, and the daemon that has started it."""


@frozen
class Refresh:
    """Ask the daemon at once."""


Action: TypeAlias = (
    DaemonRequest | RunVerb | ReadInbox | Complete | Copy | Leave | Suspend | EndDaemon | Refresh
)
