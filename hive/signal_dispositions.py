"""Signals that a program inherits as ignored or blocked, and the programs that it starts.

execve(2) leaves an ignored signal ignored, and the mask of blocked signals as it is, but gives a
signal with a handler its default disposition. A shell ignores SIGINT and SIGQUIT for what it starts
with `&`, and nohup(1) ignores SIGHUP, so an agent would never see them. A long-running program
therefore has a handler that does nothing in place of `SIG_IGN`: it ignores the signal as before,
and what it starts does not. A function in the child (`preexec_fn`) is not safe in a program with
threads.
"""

from __future__ import annotations

import signal

_KEPT = frozenset({signal.SIGTTIN, signal.SIGTTOU})
"""Signals that stay ignored: with a handler, a background process would try to read or write its
terminal for ever. They reach no agent: each has a session of its own, without a terminal."""

_PYTHONS_OWN = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python ignores itself, and gives their default in what `subprocess` starts."""


def keep_from_children() -> None:
    """Ignore by a handler what is ignored, and unblock all signals; call it in the main thread.

    Threads and programs that are started afterwards have the default dispositions and an empty
    mask.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - _KEPT - _PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def is_ignored(number: signal.Signals) -> bool:
    """Return whether this program ignores a signal, in either way."""
    return signal.getsignal(number) in (signal.SIG_IGN, _do_nothing)


def _do_nothing(number: int, frame: object) -> None:
    """Ignore a signal."""
