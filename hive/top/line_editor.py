"""One line of input at the bottom of the screen: editing keys as a shell has them. Pure."""

from __future__ import annotations

from attrs import evolve, field, frozen

from hive.escapes import inline

LONGEST = 8000
"""Characters of one line."""


@frozen
class Prompt:
    """A line that the operator types.

    Attributes:
        purpose: What it is for, see `key_presses`.
        label: What is asked for, with the name of what it was opened for.
        subject: The id that it was opened for; it acts on that, whatever is selected by then.
        text: What was typed.
        cursor: Characters before the cursor.
        offered: The words that complete it, as found by the last Tab.
        earlier: Earlier lines of the same purpose, newest last.
        at: Which of them is shown, counted from the end; 0 for the new one.
    """

    purpose: str
    label: str
    subject: str = ""
    text: str = ""
    cursor: int = 0
    offered: tuple[str, ...] = ()
    earlier: tuple[str, ...] = field(factory=tuple)
    at: int = 0

    @property
    def shown(self) -> tuple[str, str]:
        """The text before the cursor and after it, safe for a terminal."""
        return inline(self.text[: self.cursor]), inline(self.text[self.cursor :])

    def typed(self, text: str) -> Prompt:
        """Insert a text at the cursor."""
        found = self.text[: self.cursor] + text + self.text[self.cursor :]
        if len(found) > LONGEST:
            return self
        return evolve(self, text=found, cursor=self.cursor + len(text), offered=())

    def edited(self, key: str) -> Prompt:
        """Return the line after an editing key; unchanged by any other key."""
        change = _EDITS.get(key)
        return self if change is None else evolve(change(self), offered=())

    def completed(self, words: tuple[str, ...]) -> Prompt:
        """Return the line with its last word completed as far as these words agree."""
        head, space, last = self.text.rpartition(" ")
        agreed = _common(words)
        single = f"{agreed} " if len(words) == 1 else agreed
        text = self.text if len(agreed) < len(last) else f"{head}{space}{single}"
        offered = words if len(words) > 1 else ()
        return evolve(self, text=text, cursor=len(text), offered=offered)


def _common(words: tuple[str, ...]) -> str:
    if not words:
        return ""
    first, last = min(words), max(words)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]


def _moved(prompt: Prompt, cursor: int) -> Prompt:
    return evolve(prompt, cursor=min(max(cursor, 0), len(prompt.text)))


def _cut(prompt: Prompt, begin: int, end: int) -> Prompt:
    begin = max(begin, 0)
    text = prompt.text[:begin] + prompt.text[end:]
    return evolve(prompt, text=text, cursor=begin)


def _word_begin(prompt: Prompt) -> int:
    before = prompt.text[: prompt.cursor].rstrip(" ")
    return before.rfind(" ") + 1


def _recalled(prompt: Prompt, step: int) -> Prompt:
    at = min(max(prompt.at + step, 0), len(prompt.earlier))
    text = prompt.earlier[-at] if at else ""
    return evolve(prompt, at=at, text=text, cursor=len(text))


_EDITS = {
    "left": lambda line: _moved(line, line.cursor - 1),
    "right": lambda line: _moved(line, line.cursor + 1),
    "home": lambda line: _moved(line, 0),
    "ctrl+a": lambda line: _moved(line, 0),
    "end": lambda line: _moved(line, len(line.text)),
    "ctrl+e": lambda line: _moved(line, len(line.text)),
    "backspace": lambda line: _cut(line, line.cursor - 1, line.cursor),
    "delete": lambda line: _cut(line, line.cursor, line.cursor + 1),
    "ctrl+u": lambda line: _cut(line, 0, line.cursor),
    "ctrl+k": lambda line: _cut(line, line.cursor, len(line.text)),
    "ctrl+w": lambda line: _cut(line, _word_begin(line), line.cursor),
    "up": lambda line: _recalled(line, 1),
    "down": lambda line: _recalled(line, -1),
}
