"""Numbers with their nouns, for sentences that a person reads."""

from __future__ import annotations

VOWELS = frozenset("aeiou")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 item`, `2 items`, `0 replies`.

    Args:
        number: The number.
        noun: The noun in the singular, with a regular plural; words may stand before it.
    """
    return f"{number} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Return the plural of a regular noun."""
    if noun.endswith("y") and noun[-2:-1] not in VOWELS:
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
