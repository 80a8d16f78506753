"""The verb that writes a first hive.toml."""

from __future__ import annotations

from pathlib import Path

import click

from hive.cli import output
from hive.errors import ConflictError, FailedError
from hive.escapes import inline


@click.command()
@click.argument(
    "file",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    default="hive.toml",
    metavar="[FILE]",
)
def init(file: Path) -> None:
    """Write a first hive.toml, and print its path.

    It has every key with its meaning and its default, commented out, and is by default in the
    current directory. Nothing that exists is replaced. Needs no daemon.
    """
    from hive.config.starter_file import starter_text

    path = file.absolute()
    text = starter_text()
    try:
        with path.open("x", encoding="utf-8") as made:
            made.write(text)
    except FileExistsError:
        raise ConflictError(f"{path} exists and was left as it is; name another file") from None
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}") from error
    output.lines([inline(path)])
