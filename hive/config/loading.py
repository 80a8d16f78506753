"""Loading of TOML files into the model, or into one error that lists every problem of the file."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, frozen

from hive.config.agent_schema import AGENT, RESTART
from hive.config.existence import Lookup, missing, missing_programs
from hive.config.fitting import misfits
from hive.config.hive_schema import HIVE
from hive.config.model import AgentManifest, HiveConfig, RestartPolicy
from hive.config.readers import InvalidValueError
from hive.config.table_schema import KeyPath, Problem, ProblemsReportedError, ReadContext, Table
from hive.errors import ConfigError
from hive.quantities import counted

T = TypeVar("T")

MANIFEST_FILE = "agent.toml"
"""The usual name of the file with the manifest of one agent."""

MANIFEST_BYTES = 1 << 16
"""Most bytes of an `agent.toml` that comes from an agent or over a socket."""

PARSED_MAX = 4 << 20
"""Most characters that are parsed to find the lines of keys; a value of many lines is parsed with
each of its lines anew. Problems of later lines have no line number."""

_PROBLEMS_SHOWN = 50

_AT_LINE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")


def load(path: Path) -> HiveConfig:
    """Read a `hive.toml`.

    Raises:
        ConfigError: With file, line, key and remedy of every problem.
    """
    file = _TomlFile.parse(path)
    return file.read(HIVE, _inherited_policy(file))


def check(path: Path, lookup: Lookup) -> HiveConfig:
    """Read a `hive.toml`, and require that everything exists that it names on this machine.

    Raises:
        ConfigError: As `load`, and for each program, directory or bind source that is missing.
    """
    file = _TomlFile.parse(path)
    config = file.read(HIVE, _inherited_policy(file))
    problems = list(missing(config, lookup))
    if problems:
        raise ConfigError(file.report(problems))
    return config


def load_manifest(path: Path, policy: RestartPolicy | None = None) -> AgentManifest:
    """Read the manifest of one agent, an `agent.toml`.

    Args:
        path: The file.
        policy: The hive's restart policy; it supplies the keys that `[restart]` leaves out.

    Raises:
        ConfigError: With file, line, key and remedy of every problem.
    """
    return _TomlFile.parse(path).read(AGENT, policy or RestartPolicy())


def read_manifest(
    text: str,
    path: Path | None,
    hive: HiveConfig | None = None,
    *,
    title: str | None = None,
    lookup: Lookup | None = None,
) -> AgentManifest:
    """Return the manifest of one agent from the text of an `agent.toml`.

    Args:
        text: The text.
        path: The path of the file; relative paths in the text begin in its directory. None for a
            text from elsewhere, whose paths begin in the root directory.
        hive: The hive that the manifest has to fit, and whose restart policy it inherits.
        title: What errors call the file; by default its path, or `agent.toml` without one.
        lookup: Looks for the programs; None for a manifest whose programs cannot be looked for.

    Raises:
        ConfigError: With file, line, key and remedy of every problem.
    """
    if path is None:
        path, title = Path("/", MANIFEST_FILE), title or MANIFEST_FILE
    file = _TomlFile.of_text(path, text, title)
    manifest = file.read(AGENT, RestartPolicy() if hive is None else hive.restart)
    misfitting = () if hive is None else misfits(manifest, hive)
    problems = [Problem((key,), sentence) for key, sentence in misfitting]
    if lookup is not None:
        problems += missing_programs(manifest, lookup)
    if problems:
        raise ConfigError(file.report(problems))
    return manifest


@frozen
class _TomlFile:
    path: Path
    text: str
    data: dict[str, Any]
    title: str | None = None

    @classmethod
    def parse(cls, path: Path) -> _TomlFile:
        return cls.of_text(path, _read_text(path))

    @classmethod
    def of_text(cls, path: Path, text: str, title: str | None = None) -> _TomlFile:
        file = cls(path, text, {}, title)
        try:
            return evolve(file, data=tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(file.syntax_error(str(error))) from None
        except RecursionError:
            raise ConfigError(file.too_deep()) from None

    def read(self, table: Table[T], policy: RestartPolicy) -> T:
        context = self.context(policy)
        try:
            return table(self.data, context)
        except ProblemsReportedError:
            raise ConfigError(self._report_or_depth(context.problems)) from None
        except RecursionError:
            raise ConfigError(self.too_deep()) from None

    def context(self, policy: RestartPolicy) -> ReadContext:
        return ReadContext(self.path.absolute().parent, policy)

    def _report_or_depth(self, problems: list[Problem]) -> str:
        try:
            return self.report(problems)
        except RecursionError:
            return self.too_deep()

    def too_deep(self) -> str:
        return f"{self.at()}: tables or lists are nested too deeply to be read"

    def syntax_error(self, message: str) -> str:
        match = _AT_LINE.fullmatch(message)
        if match is None:
            return f"{self.at()}: {message}"
        return f"{self.at(int(match['line']))}: {match['what']} (column {match['column']})"

    def at(self, line: int | None = None) -> str:
        """Return the file, or a line of it, as errors begin."""
        if self.title is not None:
            return f"{self.title}, line {line}" if line else self.title
        return f"{self.path}:{line}" if line else str(self.path)

    def report(self, problems: list[Problem]) -> str:
        lines = key_lines(self.text)
        numbered = [(line_of(problem.path, lines), problem) for problem in problems]
        numbered.sort(key=lambda pair: pair[0] or 0)
        shown = [f"{self.at(line)}: {problem}" for line, problem in numbered]
        if len(shown) == 1:
            return shown[0]
        head = f"{self.at()} has {counted(len(shown), 'problem')}:"
        if len(shown) > _PROBLEMS_SHOWN:
            shown[_PROBLEMS_SHOWN:] = [f"and {len(shown) - _PROBLEMS_SHOWN} more"]
        return "\n  ".join([head, *shown])


def _inherited_policy(file: _TomlFile) -> RestartPolicy:
    """Return the hive's restart policy, the default of its agents; `HIVE` reports its problems."""
    try:
        return RESTART(file.data.get("restart", {}), file.context(RestartPolicy()))
    except (InvalidValueError, ProblemsReportedError):
        return RestartPolicy()


def _read_text(path: Path) -> str:
    try:
        # Some editors put a byte order mark before UTF-8; TOML has none.
        return path.read_bytes().removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


# `tomllib` does not report line numbers. In valid TOML a statement (a header, or a key with its
# value) is the shortest run of lines that parses alone, and the parsed dictionary has the keys that
# it sets; so the statements are found by parsing.


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of every table, key and array item of a valid TOML text.

    Keys inside a value that spans several lines have the line on which the value begins.
    """
    lines: dict[KeyPath, int] = {}
    newest: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement, parsed in _statements(text):
        if statement.lstrip().startswith("["):
            table = _header_path(parsed, newest)
            _record(lines, table, number)
        else:
            for path in _inner_paths(parsed):
                _record(lines, table + path, number)
    return lines


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of a key, or of the nearest table around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _record(lines: dict[KeyPath, int], path: KeyPath, number: int) -> None:
    """Record the line of a path, and of the tables around it that have no line yet."""
    for end in range(1, len(path) + 1):
        lines.setdefault(path[:end], number)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the first line's number, the text and the parsed dictionary of each statement."""
    started, piece, left = 1, "", PARSED_MAX
    for number, line in enumerate(text.split("\n"), start=1):
        piece += line + "\n"
        left -= len(piece)
        if left < 0:
            return
        try:
            parsed = tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            continue
        if parsed:
            yield started, piece, parsed
        started, piece = number + 1, ""


def _header_path(header: dict[str, Any], newest: dict[KeyPath, int]) -> KeyPath:
    """Return the path of the table that a header opens; in an array of tables, of its last item."""
    path: KeyPath = ()
    inner: Any = header
    while inner:
        name, inner = next(iter(inner.items()))
        path += (name,)
        if isinstance(inner, list):
            newest[path] = newest.get(path, -1) + 1
            inner = inner[0]
        if path in newest:
            path += (newest[path],)
    return path


def _inner_paths(value: Any) -> Iterator[KeyPath]:
    """Yield the path of every key and item below a value, outermost first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (key,)
        if isinstance(inner, dict | list):
            for rest in _inner_paths(inner):
                yield (key, *rest)
