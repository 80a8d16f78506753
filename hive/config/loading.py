"""From a TOML file to the model, or to one error that lists everything wrong in the file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from hive.config.hive_schema import AGENT, HIVE, RESTART
from hive.config.model import AgentManifest, HiveConfig, RestartPolicy
from hive.config.readers import Wrong
from hive.config.schema import Place, Problem, Reported, Table
from hive.config.toml_positions import key_lines, line_of
from hive.errors import ConfigError

T = TypeVar("T")

_AT_LINE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")


def load(path: Path) -> HiveConfig:
    """Read a `hive.toml`.

    Raises:
        ConfigError: Naming file, line, key and remedy of every problem.
    """
    source = _Source.parse(path)
    return source.read(HIVE, _inherited_policy(source))


def load_manifest(path: Path, policy: RestartPolicy | None = None) -> AgentManifest:
    """Read the manifest of one agent, an `agent.toml`.

    Args:
        path: The file.
        policy: The hive's restart policy, from which the manifest's own one differs.

    Raises:
        ConfigError: Naming file, line, key and remedy of every problem.
    """
    return _Source.parse(path).read(AGENT, policy or RestartPolicy())


@frozen
class _Source:
    path: Path
    text: str
    data: dict[str, Any]

    @classmethod
    def parse(cls, path: Path) -> _Source:
        text = _text(path)
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax(path, str(error))) from None

    def read(self, table: Table[T], policy: RestartPolicy) -> T:
        place = self.place(policy)
        try:
            return table(self.data, place)
        except Reported:
            raise ConfigError(self.report(place.problems)) from None

    def place(self, policy: RestartPolicy) -> Place:
        return Place(self.path.absolute().parent, policy)

    def report(self, problems: list[Problem]) -> str:
        lines = key_lines(self.text)
        numbered = [(line_of(problem.path, lines), problem) for problem in problems]
        numbered.sort(key=lambda pair: pair[0] or 0)
        shown = [f"{_where(self.path, line)}: {problem}" for line, problem in numbered]
        if len(shown) == 1:
            return shown[0]
        return "\n  ".join([f"{self.path} has {len(shown)} problems:", *shown])


def _inherited_policy(source: _Source) -> RestartPolicy:
    """Return what the agents' policies differ from; problems in it are reported with the rest."""
    try:
        return RESTART(source.data.get("restart", {}), source.place(RestartPolicy()))
    except (Wrong, Reported):
        return RestartPolicy()


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _syntax(path: Path, message: str) -> str:
    match = _AT_LINE.fullmatch(message)
    if match is None:
        return f"{path}: {message}"
    return f"{path}:{match['line']}: {match['what']} (column {match['column']})"


def _where(path: Path, line: int | None) -> str:
    return f"{path}:{line}" if line else str(path)
