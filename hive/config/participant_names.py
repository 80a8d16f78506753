"""The names of the participants of a configuration, checked alike wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hive.config.model import HiveConfig
from hive.config.table_schema import KeyPath
from hive.errors import BadRequestError, ConfigError
from hive.names import MANAGER, check_agent_name, check_peer_name


def check_agent_key(name: str) -> None:
    """Check the key of a table of `[agents]`.

    Raises:
        BadRequestError: It is no name of an agent, or that of the manager.
    """
    if name == MANAGER:
        raise BadRequestError("the manager agent is described in [manager]")
    check_agent_name(name)


def shared_names(config: HiveConfig) -> Iterator[tuple[KeyPath, str]]:
    """Yield the names that an agent and a peer share, each with its key and a sentence."""
    for name in config.agents:
        if name in config.peers:
            yield ("peers",), f"{name!r} is an agent already; a peer needs a name of its own"


def require_valid_names(config: HiveConfig) -> None:
    """Check the names of a configuration that was made by a program: a file is checked when read.

    Raises:
        ConfigError: With every name that is wrong.
    """
    problems = [
        *_wrong("agents", config.agents, check_agent_key),
        *_wrong("peers", config.peers, check_peer_name),
        *(f"peers: {sentence}" for _, sentence in shared_names(config)),
    ]
    if problems:
        raise ConfigError("; ".join(problems))


def _wrong(table: str, names: Iterable[str], check: Callable[[str], object]) -> Iterator[str]:
    for name in names:
        try:
            check(name)
        except BadRequestError as error:
            yield f"{table}.{name}: {error}"
