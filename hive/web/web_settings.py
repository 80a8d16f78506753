"""How the dashboard is served: what `[web]` of hive.toml says, and the command line over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve, frozen

from hive.config import WebConfig
from hive.config.kinds import QUIET
from hive.config.model import QuietHours
from hive.config.table_schema import ProblemsReportedError, ReadContext
from hive.config.web_schema import UNIX, WEB
from hive.errors import BadRequestError
from hive.web.guard import LOCAL_HOSTS

_KEYS = {
    "url": "url",
    "listen": "listen",
    "session_seconds": "sessions",
    "certificate": "certificate",
    "key": "key",
    "trusted_proxies": "trusted_proxies",
}
"""The keys of `[web]` by what the answer to `web_settings` calls them."""

_EACH_ALONE = evolve(WEB, check=lambda _: ())
"""`[web]`, without what its values have to do with each other."""


@frozen
class WebSettings:
    """How the dashboard is served.

    Attributes:
        config: The values of `[web]`.
    """

    config: WebConfig

    @property
    def is_secure(self) -> bool:
        """Whether browsers use TLS, here or at a proxy."""
        return self.config.certificate is not None or (self.config.url or "").startswith("https:")

    @property
    def address(self) -> str:
        """The address by which browsers reach it, without a path.

        Raises:
            BadRequestError: Nothing says it.
        """
        if self.config.url is not None:
            return self.config.url
        if self.config.listen.startswith((UNIX, "0.0.0.0:", "[::]:")):
            raise BadRequestError(
                f"'{self.config.listen}' is no address of a page; say by which one browsers reach "
                "it: 'url' in [web] of hive.toml, or --url"
            )
        return f"{'https' if self.is_secure else 'http'}://{self.config.listen}"

    @property
    def hosts(self) -> Collection[str]:
        """Names of this server, without ports."""
        name = (urlsplit(self.address).hostname or "").casefold()
        return {*LOCAL_HOSTS, f"[{name}]" if ":" in name else name}


def settings_from(answer: Mapping[str, Any], options: Mapping[str, Any]) -> WebSettings:
    """Return the settings of the daemon with the options of a command line over them.

    Args:
        answer: The fields of `web_settings`; empty for the defaults.
        options: Values by keys of `[web]`, as in hive.toml; those that are empty were not given.

    Raises:
        BadRequestError: A value is none, or they do not go together.
    """
    found = {key: answer[name] for name, key in _KEYS.items() if answer.get(name)}
    found |= {key: value for key, value in options.items() if value}
    context = ReadContext(Path.cwd())
    with suppress(ProblemsReportedError):
        return WebSettings(WEB(found, context))
    raise BadRequestError("; ".join(map(str, context.problems)))


def require_values(options: Mapping[str, Any]) -> None:
    """Require that each option is a value of its key, whatever the daemon says of the others.

    Raises:
        BadRequestError: One is none.
    """
    context = ReadContext(Path("/"))
    with suppress(ProblemsReportedError):
        _EACH_ALONE({key: value for key, value in options.items() if value}, context)
    if context.problems:
        raise BadRequestError("; ".join(map(str, context.problems)))


def quiet_hours_of(answer: Mapping[str, Any]) -> QuietHours | None:
    """Return the hours in which no device is notified, of the fields of `web_settings`."""
    found = answer.get("quiet_hours")
    hours = QUIET.read(found, ReadContext(Path("/"))) if found else None
    assert hours is None or isinstance(hours, QuietHours)
    return hours
