"""The help of the view: keys, words, signs. Pure."""

from __future__ import annotations

_HELP = """\
Keys: arrows, j k, PageUp, PageDown, Home, End move; the mouse works, too.

  1-7     the views: 1 agents  2 inbox  3 approvals  4 messages  5 logs  6 events  7 dead letters
  tab     from NEEDS YOU to the agents and back
  enter   peek: last turns, inbox, output; of a message, its trace
  l       the log, full screen: space pauses, w wraps, / searches, n N the next and last hit
  d       describe: everything that is known about a participant
  m       send a message; in the inbox, a reply
  p       pause or resume: a paused agent runs and gets no mail
  r       restart; an agent that does not run is started (asks)
  x       stop (asks); of a dead letter, discard it
  y n     approve, deny: each with a reason; y replays a dead letter
  1-9 a   answer the selected question with an option, or with a text
  z       snooze: out of sight for a time, such as 30m or 8h; an empty time wakes it
  P A     pin, archive; E shows what is snoozed or archived
  /       filter while you type          !   problems only
  g       group by project               c   copy the id (OSC 52)
  :       any verb of hive-c0re, tab completes it; its output is shown
  ctrl+r  ask the daemon at once         ctrl+z  suspend
  escape  back, always                   ?   this help

NEEDS YOU has questions, approvals, logins, failures, verdicts, dead letters and your mail, pinned
first, then in this order, the oldest first.

AGENTS are in the order waiting for you, failed, idle, unknown, running, stopped; who is longest in
a group is first. A row keeps its place while you type or a question is open, and an agent that ends
again and again stays among the failed until it has run for a minute.

  FOR      since when it is in its state      IN OLDEST  unread messages, age of the oldest
  TURN     since when it works on a turn      CTX        how full the context of its model is
  TOKENS COST  of today                       MEM CPU    of all its processes
  RST      restarts                           SEEN       last sign of life
  -        not known                          ~          measured more than a minute ago

To select text with the mouse, hold Shift.
"""

_OF_SERVE = """
Ctrl-C stops the hive with its agents. q leaves this view: the daemon runs on in this terminal.
"""


def help_lines(of_serve: bool) -> list[str]:
    """Return the lines of the help.

    Args:
        of_serve: Whether Ctrl-C also ends the daemon.
    """
    return (_HELP + (_OF_SERVE if of_serve else "")).splitlines()
