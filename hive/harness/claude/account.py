"""Which account an agent uses, without telling anybody its credential; and whether it changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
"""Variables that hold a credential, the first that is set counts."""

PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")

LENGTH = 16
"""Hexadecimal digits of a fingerprint."""


LOOK = 2.0
"""Seconds between two looks whether somebody has logged in."""

RETRY = 600.0
"""Seconds after which it is tried without such a sign."""

Stamp = tuple[str, int, int]


@frozen
class Login:
    """The login that Claude Code uses here.

    Attributes:
        environ: Its environment.
        home: Its home directory.
    """

    environ: Mapping[str, str]
    home: Path

    def fingerprint(self) -> str:
        """Return a word that is the same for all who use one account, and tells nothing of it.

        A login counts by the account that it belongs to, not by its token, which changes.
        """
        where = self.environ.get("ANTHROPIC_BASE_URL", "")
        identity = _identity(self.environ, self.home)
        return hashlib.sha256(f"{where}\n{identity}".encode()).hexdigest()[:LENGTH]

    def stamp(self) -> Stamp:
        """Return something that changes when somebody logs in."""
        path = _config_dir(self.environ, self.home) / ".credentials.json"
        try:
            status = path.stat()
        except OSError:
            return self.fingerprint(), 0, 0
        return self.fingerprint(), status.st_mtime_ns, status.st_size

    async def changed(self) -> None:
        """Wait until somebody has logged in, or until it is time to try without such a sign."""
        before = await asyncio.to_thread(self.stamp)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY):
                await self._differs_from(before)

    async def _differs_from(self, before: Stamp) -> None:
        # The file is written by a program of somebody else's, which tells nobody.
        while await asyncio.to_thread(self.stamp) == before:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)


def _identity(environ: Mapping[str, str], home: Path) -> str:
    for name in PROVIDERS:
        if environ.get(name):
            return name
    for name in KEYS:
        if environ.get(name):
            return f"{name}={environ[name]}"
    account = _read(_settings(environ, home)).get("oauthAccount")
    if isinstance(account, dict) and account.get("accountUuid"):
        return f"account {account['accountUuid']}"
    return f"login of {_config_dir(environ, home)}"


def _config_dir(environ: Mapping[str, str], home: Path) -> Path:
    given = environ.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else home / ".claude"


def _settings(environ: Mapping[str, str], home: Path) -> Path:
    given = environ.get("CLAUDE_CONFIG_DIR")
    return Path(given) / ".claude.json" if given else home / ".claude.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
