"""Identity of the account that an agent uses, without its credential, and changes of its login."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from hive.harness.claude.claude_code import claude_program

CREDENTIAL_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
"""Variables that hold a credential; the first that is set counts."""

PROVIDER_VARIABLES = (
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)
"""Variables that select another provider; they take precedence."""

FINGERPRINT_LENGTH = 16
"""Hexadecimal digits of a fingerprint."""

POLL_INTERVAL = 2.0
"""Seconds between two checks for a new login."""

RETRY_AFTER = 600.0
"""Seconds until the next attempt if no new login is seen."""

Stamp = tuple[str, int, int]


@frozen
class Login:
    """The login that Claude Code uses here.

    Attributes:
        environ: Environment of Claude Code.
        home: Its home directory.
    """

    environ: Mapping[str, str]
    home: Path

    def fingerprint(self) -> str:
        """Return a hash that is the same for all users of one account and reveals nothing of it.

        A login is identified by its account, not by its token, which changes.
        """
        endpoint = self.environ.get("ANTHROPIC_BASE_URL", "")
        identity = _identity(self.environ, self.home)
        digest = hashlib.sha256(f"{endpoint}\n{identity}".encode()).hexdigest()
        return digest[:FINGERPRINT_LENGTH]

    def command(self, program: Path | None = None) -> str:
        """Return the command that logs in where Claude Code looks, for a shell.

        Args:
            program: The program of Claude Code; by default the one that is really run.
        """
        return shlex.join([f"HOME={self.home}", str(program or claude_program()), "auth", "login"])

    def stamp(self) -> Stamp:
        """Return a value that changes with each login: fingerprint, file time (ns), file size."""
        path = _config_dir(self.environ, self.home) / ".credentials.json"
        try:
            status = path.stat()
        except OSError:
            return self.fingerprint(), 0, 0
        return self.fingerprint(), status.st_mtime_ns, status.st_size

    async def changed(self) -> None:
        """Wait for a new login, but no longer than `RETRY_AFTER` seconds."""
        before = await asyncio.to_thread(self.stamp)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_AFTER):
                await self._differs_from(before)

    async def _differs_from(self, before: Stamp) -> None:
        # Another program writes the file and sends no notification.
        while await asyncio.to_thread(self.stamp) == before:  # noqa: ASYNC110
            await asyncio.sleep(POLL_INTERVAL)


def _identity(environ: Mapping[str, str], home: Path) -> str:
    for name in PROVIDER_VARIABLES:
        if environ.get(name):
            return name
    for name in CREDENTIAL_VARIABLES:
        if environ.get(name):
            return f"{name}={environ[name]}"
    account = _read_json(_settings_file(environ, home)).get("oauthAccount")
    if isinstance(account, dict) and account.get("accountUuid"):
        return f"account {account['accountUuid']}"
    return f"login of {_config_dir(environ, home)}"


def _config_dir(environ: Mapping[str, str], home: Path) -> Path:
    given = environ.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else home / ".claude"


def _settings_file(environ: Mapping[str, str], home: Path) -> Path:
    given = environ.get("CLAUDE_CONFIG_DIR")
    return Path(given) / ".claude.json" if given else home / ".claude.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
