"""The commands of docs/installing.md, by section, each with the output that the page shows."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen

from tests.check_docs import Line, lines

PROMPT = "# "


@frozen
class Command:
    """A command line of the page.

    Attributes:
        line: What is typed.
        shown: The lines below it, each the beginning of a line that it prints.
    """

    line: str
    shown: list[str] = field(factory=list)

    @property
    def may_fail(self) -> bool:
        """Whether the page shows that it ends with a problem."""
        return any(each.startswith("problem") for each in self.shown)


@frozen
class Section:
    """A section of the page.

    Attributes:
        title: Its heading.
        commands: Its commands, in order.
        files: The blocks of TOML.
    """

    title: str
    commands: list[Command] = field(factory=list)
    files: list[str] = field(factory=list)


def sections(text: str) -> list[Section]:
    """Return the sections of a page, those without commands, too."""
    found = [Section("")]
    toml: list[str] = []
    for line in (*lines(text), Line(0, "", None)):
        if toml and line.fence != "toml":
            found[-1].files.append("".join(toml))
            toml = []
        if line.fence is None and line.text.startswith("#"):
            found.append(Section(line.text.lstrip("#").strip()))
        elif line.fence == "toml":
            toml.append(f"{line.text}\n")
        elif line.fence == "console":
            _add(found[-1], line)
    return found


def _add(section: Section, line: Line) -> None:
    if line.text.startswith(PROMPT):
        section.commands.append(Command(line.text.removeprefix(PROMPT)))
    else:
        section.commands[-1].shown.append(line.text)


def unmet(command: Command, printed: str) -> Iterator[str]:
    """Yield the lines of the page that no line of the output begins with, in their order."""
    rest = iter(printed.splitlines())
    for shown in command.shown:
        if not any(line.startswith(shown) for line in rest):
            yield shown
