"""Files of the dashboard that only its user may read. All of it blocks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from attrs import frozen

from hive.errors import FailedError
from hive.paths import PRIVATE_MODE, make_directory

FILE_MODE = 0o600
"""Mode of the files: they say who is logged in, and have keys."""

S = TypeVar("S", bound=msgspec.Struct)


@frozen
class PrivateFile(Generic[S]):
    """A file with one value as JSON, which outlives the process.

    Attributes:
        path: The file.
        kind: The type of its value, all of whose fields have defaults.
        loss: What follows if the file is removed, the end of a sentence.
    """

    path: Path
    kind: type[S]
    loss: str

    def read(self) -> S:
        """Return what was written; the defaults if there is no file.

        Raises:
            FailedError: It cannot be read.
        """
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=self.kind)
        except FileNotFoundError:
            return self.kind()
        except (OSError, msgspec.MsgspecError) as error:
            raise FailedError(
                f"{self.path} cannot be read ({error}); remove it, and {self.loss}"
            ) from error

    def write(self, value: S) -> None:
        """Replace the file in one step.

        Raises:
            FailedError: The disk is full, or the directory is not writable.
        """
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            make_directory(self.path.parent, PRIVATE_MODE)
            new.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(new, flags, FILE_MODE), "wb") as file:  # noqa: PTH123 - an open file
                file.write(msgspec.json.encode(value))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise FailedError(f"{self.path} cannot be written: {error.strerror}") from error
