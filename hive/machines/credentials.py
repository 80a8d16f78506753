"""Credentials: copies of files with secrets, in a directory that only the agent can read.

As systemd does with `LoadCredential=`, the files are read anew at each start of the agent. Their
content is in no argument, variable, event or log. Everything here blocks on the disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hive.errors import FailedError
from hive.paths import PRIVATE_MODE, make_directory

VARIABLE = "CREDENTIALS_DIRECTORY"
"""The variable that names the directory, as in systemd.exec(5)."""

SIZE_MAX = 1 << 20
"""Most bytes of one credential, the limit of systemd."""

FILE_MODE = 0o600
"""Permissions of the copies."""


def copy_credentials(name: str, files: Mapping[str, Path], directory: Path) -> None:
    """Make a directory hold exactly the credentials of an agent; without any it is removed.

    Args:
        name: The agent, for errors.
        files: The files of the host, by the name of each credential.
        directory: Holds nothing but credentials.

    Raises:
        FailedError: A file cannot be read or written; its path is in the sentence.
    """
    contents = {each: _read(name, each, path) for each, path in files.items()}
    try:
        remove_credentials(directory, keep=contents)
        if contents:
            make_directory(directory, PRIVATE_MODE, narrow=True)
        for each, content in contents.items():
            _write(directory / each, content)
    except OSError as error:
        raise FailedError(
            f"{name}: {error.filename or directory} cannot be written: {error.strerror}"
        ) from error


def remove_credentials(directory: Path, keep: Mapping[str, bytes] | None = None) -> None:
    """Remove the credentials in a directory, and the directory if none is kept. Idempotent.

    Raises:
        OSError: One cannot be removed.
    """
    if not directory.is_dir():
        return
    for path in directory.iterdir():
        if path.name not in (keep or {}):
            path.unlink()
    if not keep:
        directory.rmdir()


def _read(name: str, credential: str, path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FailedError(f"{name}: the credential {credential!r}, {path}, is no file")
            content = os.read(descriptor, SIZE_MAX + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FailedError(
            f"{name}: the credential {credential!r} cannot be read from {path}: {error.strerror}; "
            "make the file, or take it out of [credentials]"
        ) from error
    if len(content) > SIZE_MAX:
        raise FailedError(
            f"{name}: the credential {credential!r}, {path}, has more than {SIZE_MAX} bytes"
        )
    return content


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - an open file
        file.write(content)
    new.replace(path)
