"""Notices of the daemon: which are sent now, which later, and which are dropped.

A notice with a supersede key is about one thing, for instance an agent that needs a login. While it
is unread a newer one about the same thing replaces it. At most one of a key is sent within
`NOTICE_SECONDS`; of those meanwhile the newest is kept in memory and sent afterwards. One whose
words are unread already is not sent at all. So an agent cannot fill an inbox, or the disk, with
what it makes the daemon say.

A notice without a key is about one message. An inbox takes as many of them unread as of one sender.

Pure: no I/O, no clock, no futures.
"""

from __future__ import annotations

from attrs import define, field

from hive.broker.deadlines import Deadlines
from hive.broker.inboxes import Inbox
from hive.broker.messages import MessageTable, SupersedeKey
from hive.broker.values import Moment, Post
from hive.config import Limits
from hive.errors import InboxFullError
from hive.names import SYSTEM
from hive.quantities import counted
from hive.store import MessageKind

NOTICE_SECONDS = 60.0
"""Least seconds between two notices about the same thing, and between events about dropped ones."""


@define(eq=False)
class NoticePacing:
    """Decides when a notice of the daemon is sent.

    Attributes:
        table: The table of messages, which has the unread notices.
        limits: Has the share of one sender of an inbox.
        later: The newest notice of a key since the last that was sent, by key.
    """

    table: MessageTable
    limits: Limits
    later: dict[SupersedeKey, Post] = field(factory=dict, init=False)
    _recent: Deadlines[SupersedeKey] = field(factory=Deadlines, init=False)
    _dropped: dict[str, int] = field(factory=dict, init=False)
    _dropped_recently: Deadlines[str] = field(factory=Deadlines, init=False)

    def admit(self, post: Post, now: Moment) -> bool:
        """Return whether a notice is to be sent now; if not, it is kept for later or not needed.

        Raises:
            InboxFullError: The inbox has too many unread notices without a key.
        """
        key = _key_of(post)
        if key is None:
            self._require_room(post)
            return True
        if not self.later:
            self._recent.pop_due(now.loop)
        if key in self._recent:
            self.later[key] = post
            return False
        unread = self.table.keyed.get(key, {})
        if any(message.body == post.posting.body for message in unread.values()):
            return False
        self._recent.set(key, now.loop + NOTICE_SECONDS)
        return True

    def pop_due(self, now: Moment) -> list[Post]:
        """Return the notices that may be sent now after they were kept."""
        due = self._recent.pop_due(now.loop)
        return [self.later.pop(key) for key in due if key in self.later]

    def delay(self, now: Moment) -> float | None:
        """Return the seconds until `pop_due` may have something to do, None for never."""
        return self._recent.delay(now.loop)

    def record_dropped(self, to: str, now: Moment) -> int | None:
        """Count a notice that could not be sent.

        Returns:
            The number of notices to that inbox since the last that was reported, this one included;
            None if that was too recent to report this one.
        """
        self._dropped_recently.pop_due(now.loop)
        self._dropped[to] = self._dropped.get(to, 0) + 1
        if to in self._dropped_recently:
            return None
        self._dropped_recently.set(to, now.loop + NOTICE_SECONDS)
        return self._dropped.pop(to)

    def require_read(self, inbox: Inbox) -> None:
        """Require that a participant reads what the daemon sends it.

        Raises:
            InboxFullError: Too many messages of the daemon are unread.
        """
        unread, most = inbox.sent.get(SYSTEM, 0), self.limits.sender_messages
        if unread >= most:
            raise InboxFullError(
                f"{inbox.name!r} has {counted(unread, 'unread message')} of 'system', at most "
                f"{most} may be unread; nothing was stored: read some of them first"
            )

    def _require_room(self, post: Post) -> None:
        inbox = self.table.inboxes.get(post.posting.to)
        if inbox is not None and post.kind is MessageKind.EVENT:
            self.require_read(inbox)


def _key_of(post: Post) -> SupersedeKey | None:
    posting = post.posting
    return None if posting.supersede_key is None else (SYSTEM, posting.to, posting.supersede_key)
