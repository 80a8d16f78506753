"""Options that many verbs of `hive-ag3nt` and `hive-m1nd` have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hive.harness import environment

F = TypeVar("F", bound=Callable[..., Any])


def socket_option(command: F) -> F:
    """Add `--socket`."""
    return click.option(
        "--socket",
        type=click.Path(readable=False, path_type=Path),
        default=environment.socket_path,
        show_default="$HIVE_SOCKET or /run/hive/mcp.sock",
        help="The participant's socket.",
    )(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
