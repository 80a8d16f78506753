"""What the operator's account is made of: passkeys and devices to notify, with their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from hive.clock import Clock
from hive.web.book_saver import BookSaver
from hive.web.hive_client import HiveClient
from hive.web.login_sessions import SessionBook
from hive.web.passkeys import PasskeyBook, PasskeySite, SavedPasskeys
from hive.web.private_file import PrivateFile
from hive.web.push_sending import PushSender, contact_of, new_key
from hive.web.push_subscriptions import PushBook, SavedPush
from hive.web.push_watch import PushWatch


@frozen
class OperatorAccount:
    """Passkeys and devices to notify.

    Attributes:
        passkeys: The passkeys.
        pushes: The devices.
        sender: Sends notifications.
        watch: Notifies the devices; its `run` is a task of its own.
        savers: Keep both on disk.
    """

    passkeys: PasskeyBook
    pushes: PushBook
    sender: PushSender
    watch: PushWatch
    savers: Sequence[BookSaver[SavedPasskeys] | BookSaver[SavedPush]]

    async def save(self) -> None:
        """Save what has changed.

        Raises:
            FailedError: It cannot be written.
        """
        for saver in self.savers:
            await saver.save()


def open_account(
    state_dir: Path, url: str, client: HiveClient, sessions: SessionBook, clock: Clock
) -> OperatorAccount:
    """Return the account that is kept in a directory. Blocks.

    The first time there, the key of this server as a sender of notifications is made.

    Args:
        state_dir: The directory.
        url: The address by which browsers reach the dashboard, without a path.
        client: Asks the daemon.
        sessions: The sessions.
        clock: Wall time.

    Raises:
        FailedError: A file cannot be read or written.
    """
    passkeys = PasskeyBook(PasskeySite(url))
    passkeys_file = PrivateFile(state_dir / "passkeys.json", SavedPasskeys, "no passkey logs in")
    passkeys.restore(passkeys_file.read())
    pushes = PushBook()
    pushes_file = PrivateFile(state_dir / "push.json", SavedPush, "no device is notified")
    pushes.restore(pushes_file.read(), new_key())
    if pushes.is_changed:
        pushes_file.write(pushes.saved())
    savers = BookSaver(passkeys, passkeys_file), BookSaver(pushes, pushes_file)
    sender = PushSender(pushes.key, contact_of(url), now=clock.now)
    watch = PushWatch(client, sessions, pushes, sender, savers[1].save, clock.now)
    return OperatorAccount(passkeys, pushes, sender, watch, savers)
