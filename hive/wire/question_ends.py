"""The reasons with which the message of a question ends before it was read.

Its state is `expired` then, as that of any message that nobody needs to read any more; the reason
says that the question was answered, or cancelled.
"""


def answered(number: int, by: str) -> str:
    """Return the reason after an answer."""
    return f"question {number} was answered by {by}"


def cancelled(number: int) -> str:
    """Return the reason after the asker has taken the question back."""
    return f"question {number} was cancelled"


def end_in(reason: str) -> str | None:
    """Return how the question of a reason has ended: "answered" or "cancelled"; else None."""
    noun, _, rest = reason.partition(" ")
    number, _, words = rest.partition(" was ")
    if noun != "question" or not number.isdigit():
        return None
    if words.startswith("answered by "):
        return "answered"
    return "cancelled" if words == "cancelled" else None
