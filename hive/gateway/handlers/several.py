"""Several names in one request: all are checked before one is acted on, and reported together.

Each has a line of its own: a hive may have hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hive.errors import HiveError


def check_names(names: Sequence[str], check: Callable[[str], object]) -> None:
    """Check each of several names.

    Args:
        names: The names; one may come twice.
        check: Raises a HiveError for a name that the request cannot act on.

    Raises:
        HiveError: The error of the name; of several, one with the sentences of all, that says that
            nothing was done.
    """
    errors: list[BaseException] = []
    for name in dict.fromkeys(names):
        try:
            check(name)
        except HiveError as error:
            errors.append(error)
    prefix = "nothing was done: " if len(set(names)) > 1 else ""
    raise_together(errors, prefix)


def raise_together(errors: Sequence[BaseException], prefix: str = "") -> None:
    """Raise errors as one, with the sentences of all after a prefix; do nothing without errors.

    Of several errors, each sentence is a line.

    The class is that of the first one. An error that is none of ours is raised as it is.
    """
    if not errors:
        return
    others = [error for error in errors if not isinstance(error, HiveError)]
    if others:
        raise others[0]
    if not prefix and len(errors) == 1:
        raise errors[0]
    raise type(errors[0])(prefix + "\n".join(map(str, errors)))
