"""Check that the documentation is true: `python -m tests.check_docs`.

Each relative link leads somewhere, each test that is named exists, each command line in a fenced
`console` or `sh` block names a verb, an option or a make target that exists. In the page about the
architecture, each path in backticks is that of a module or package.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import click
from attrs import frozen

from hive.command_lines import CONTEXT

ROOT = Path(__file__).resolve().parents[1]

ARCHITECTURE = Path("docs/architecture.md")
"""The page whose paths are checked, relative to the root."""

PACKAGES = ("actors", "hive")

_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\w*)")
_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_LINK = re.compile(r"""\]\(<?([^)\s>]+)|^\s*\[[^\]]+\]:\s+(\S+)|(?:src|href)="([^"]+)\"""")
_INLINE_CODE = re.compile(r"`[^`]*`")
_PATH = re.compile(r"`(\w+\.py|\w+/[\w/]*(?:\.py)?)(?:\.([A-Z]\w*))?`")
_TEST = re.compile(r"\btests/[\w/.-]+\.py(?:::\w+)*")
_TARGET = re.compile(r"^([\w.-]+)\s*:(?!=)", re.MULTILINE)
_PROMPT = {"console": re.compile(r"\s*(?:[$#] )?(?:sudo )?"), "sh": re.compile(r"\s*(?:sudo )?")}


@frozen
class Line:
    """One line of a page; a command that goes on after a backslash is one line."""

    number: int
    text: str
    fence: str | None
    """The language of the fenced block around it ("" if it names none); None outside of one."""


@frozen
class Problem:
    """Something that a page says and that is not so."""

    page: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.what}"


@frozen
class Programs:
    """What command lines are checked against."""

    targets: frozenset[str]
    command: Callable[[str], click.Command | None]
    """Return the command of one of our programs, by name; None for other programs."""


def check(root: Path, programs: Programs) -> list[Problem]:
    """Return the problems of all pages under `root`."""
    return [
        Problem(page.relative_to(root), line.number, what)
        for page in pages(root)
        for line in lines(page.read_text())
        for what in _problems(page, root, line, programs)
    ]


def pages(root: Path) -> list[Path]:
    """Return the documentation: the two pages at the top and all in `docs`."""
    top = [root / "README.md", root / "CHANGELOG.md"]
    return [page for page in top if page.exists()] + sorted((root / "docs").rglob("*.md"))


def lines(text: str) -> Iterator[Line]:
    """Split a page into lines that know which fenced block they are in."""
    opened: tuple[str, str] | None = None
    going_on = ""
    for number, text_line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(text_line)
        if opened is None and fence:
            opened = (fence[1], fence[2])
        elif opened and fence and not fence[2] and fence[1].startswith(opened[0]):
            opened = None
        elif opened and text_line.endswith("\\"):
            going_on += text_line[:-1]
        else:
            yield Line(number, going_on + text_line, opened[1] if opened else None)
            going_on = ""


def _problems(page: Path, root: Path, line: Line, programs: Programs) -> Iterator[str]:
    yield from _test_problems(root, line.text)
    if page == root / ARCHITECTURE:
        yield from _path_problems(root, line.text)
    if line.fence is None:
        yield from _link_problems(page, _INLINE_CODE.sub("", line.text))
    elif line.fence in _PROMPT:
        yield from _command_problems(_PROMPT[line.fence].sub("", line.text, count=1), programs)


def _link_problems(page: Path, text: str) -> Iterator[str]:
    for found in _LINK.finditer(text):
        link = next(filter(None, found.groups()))
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield f"the link to {link} leads nowhere"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
            yield f"the link to {link} leads to no heading of {target.name}"


def link_problems(page: Path) -> list[str]:
    """Return the problems of the links of a page, outside of its fenced blocks."""
    outside = (line.text for line in lines(page.read_text()) if line.fence is None)
    return [what for text in outside for what in _link_problems(page, _INLINE_CODE.sub("", text))]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = (_HEADING.match(line.text) for line in lines(text) if line.fence is None)
    return {_slug(heading[1]) for heading in headings if heading}


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _test_problems(root: Path, text: str) -> Iterator[str]:
    for found in _TEST.findall(text):
        path, *names = found.split("::")
        if not (root / path).is_file():
            yield f"there is no test file {path}"
        elif not _defines(ast.parse((root / path).read_text()).body, names):
            yield f"there is no test {found}"


def _defines(body: Sequence[ast.stmt], names: Sequence[str]) -> bool:
    if not names:
        return True
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return any(
        isinstance(node, kinds) and node.name == names[0] and _defines(node.body, names[1:])
        for node in body
    )


def _path_problems(root: Path, text: str) -> Iterator[str]:
    """Yield the paths of modules and packages that do not exist, and missing names in them.

    A path may begin with any package: `hive/broker/`, `broker/service`, `service.py`.
    """
    for path, name in _PATH.findall(text):
        found = [
            module for end in ("", ".py") for module in _modules(root, path.removesuffix("/") + end)
        ]
        if not found:
            yield f"there is no module {path}"
        elif name and not any(_defines(ast.parse(m.read_text()).body, [name]) for m in found):
            yield f"{path} defines no {name}"


def _modules(root: Path, path: str) -> Iterator[Path]:
    yield from (found for package in PACKAGES for found in (root / package).rglob(path))
    if path.startswith(PACKAGES) and (root / path).exists():
        yield root / path


def _command_problems(text: str, programs: Programs) -> Iterator[str]:
    words = _words(text)
    if not words:
        return
    program, arguments = words[0], words[1:]
    if program == "make":
        targets = [word for word in arguments if not word.startswith("-") and "=" not in word]
        yield from (f"make has no target {t}" for t in targets if t not in programs.targets)
    elif command := programs.command(program):
        yield from _argument_problems(program, command, arguments)


def _words(text: str) -> list[str]:
    """Return the words of the first command of a line, without the variables set for it."""
    splitter = shlex.shlex(text, posix=True, punctuation_chars=True)
    splitter.whitespace_split = True
    try:
        words = list(splitter)
    except ValueError:  # an apostrophe in what a program printed
        return []
    while words and re.match(r"\w+=", words[0]):
        words.pop(0)
    end = next((at for at, word in enumerate(words) if set(word) <= set("|&;<>()")), len(words))
    return words[:end]


def _argument_problems(program: str, command: click.Command, arguments: list[str]) -> Iterator[str]:
    context = click.Context(command, **CONTEXT)
    while isinstance(command, click.Group):
        verb = next((word for word in arguments if not word.startswith("-")), None)
        if verb is None:
            break
        found = command.get_command(context, verb)
        if found is None:
            yield f"{program} has no verb {verb}"
            return
        command, program = found, f"{program} {verb}"
        arguments = arguments[arguments.index(verb) + 1 :]
    known = {name for option in command.get_params(context) for name in _names(option)}
    options = takewhile(lambda word: word != "--", arguments)
    named = (word.partition("=")[0] for word in options if word.startswith("--"))
    yield from (f"{program} has no option {name}" for name in named if name not in known)


def _names(parameter: click.Parameter) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def our_programs(root: Path) -> Programs:
    """Return the programs and make targets of the project at `root`.

    A program's command is imported only once a page names it.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    scripts: Mapping[str, str] = project["scripts"]
    targets = frozenset(_TARGET.findall((root / "Makefile").read_text()))

    def command(name: str) -> click.Command | None:
        return _load(name, scripts[name]) if name in scripts else None

    return Programs(targets=targets, command=command)


_OF_CLICK = {
    "hive.cli.main": "hive.cli.program",
    "hive.harness.cli": "hive.harness.cli.verb_groups",
}
"""Modules with the commands of entry points that import click only if they need it."""


def _load(name: str, entry: str) -> click.Command:
    """Return the click command of a program."""
    module_name = entry.partition(":")[0]
    module = import_module(_OF_CLICK.get(module_name, module_name))
    for found in vars(module).values():
        if isinstance(found, click.Command) and found.name == name:
            return found
    raise LookupError(f"{module.__name__} has no click command named {name!r}")


def main() -> int:
    """Print the problems of this project's documentation; return 1 if there are any."""
    problems = check(ROOT, our_programs(ROOT))
    for problem in problems:
        click.echo(str(problem))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
