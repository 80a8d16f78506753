"""Loading of TOML files into the model, or into one error that lists every problem of the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from hive.config.hive_schema import AGENT, HIVE, RESTART
from hive.config.model import AgentManifest, HiveConfig, RestartPolicy
from hive.config.readers import InvalidValueError
from hive.config.table_schema import KeyPath, Problem, ProblemsReportedError, ReadContext, Table
from hive.errors import ConfigError

T = TypeVar("T")

_AT_LINE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")


def load(path: Path) -> HiveConfig:
    """Read a `hive.toml`.

    Raises:
        ConfigError: With file, line, key and remedy of every problem.
    """
    file = _TomlFile.parse(path)
    return file.read(HIVE, _inherited_policy(file))


def load_manifest(path: Path, policy: RestartPolicy | None = None) -> AgentManifest:
    """Read the manifest of one agent, an `agent.toml`.

    Args:
        path: The file.
        policy: The hive's restart policy; it supplies the keys that `[restart]` leaves out.

    Raises:
        ConfigError: With file, line, key and remedy of every problem.
    """
    return _TomlFile.parse(path).read(AGENT, policy or RestartPolicy())


@frozen
class _TomlFile:
    path: Path
    text: str
    data: dict[str, Any]

    @classmethod
    def parse(cls, path: Path) -> _TomlFile:
        text = _read_text(path)
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax_error(path, str(error))) from None

    def read(self, table: Table[T], policy: RestartPolicy) -> T:
        context = self.context(policy)
        try:
            return table(self.data, context)
        except ProblemsReportedError:
            raise ConfigError(self.report(context.problems)) from None

    def context(self, policy: RestartPolicy) -> ReadContext:
        return ReadContext(self.path.absolute().parent, policy)

    def report(self, problems: list[Problem]) -> str:
        lines = key_lines(self.text)
        numbered = [(line_of(problem.path, lines), problem) for problem in problems]
        numbered.sort(key=lambda pair: pair[0] or 0)
        shown = [f"{_location(self.path, line)}: {problem}" for line, problem in numbered]
        if len(shown) == 1:
            return shown[0]
        return "\n  ".join([f"{self.path} has {len(shown)} problems:", *shown])


def _inherited_policy(file: _TomlFile) -> RestartPolicy:
    """Return the hive's restart policy, the default of its agents; `HIVE` reports its problems."""
    try:
        return RESTART(file.data.get("restart", {}), file.context(RestartPolicy()))
    except (InvalidValueError, ProblemsReportedError):
        return RestartPolicy()


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _syntax_error(path: Path, message: str) -> str:
    match = _AT_LINE.fullmatch(message)
    if match is None:
        return f"{path}: {message}"
    return f"{path}:{match['line']}: {match['what']} (column {match['column']})"


def _location(path: Path, line: int | None) -> str:
    return f"{path}:{line}" if line else str(path)


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
    started, piece = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        piece += line + "\n"
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
