"""The keys of `[web]`: how the dashboard is reached and served."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hive.config.kinds import PATH, POSITIVE_DURATION, QUIET, STRING
from hive.config.model import WebConfig
from hive.config.readers import InvalidValueError, text
from hive.config.table_schema import Key, KeyPath, Table, array_of, scalar

UNIX = "unix:"
"""Begin of an address to listen on that is the path of a unix socket."""

PORT_MAX = 65_535
"""The highest port."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<ip>[0-9a-f:.]+)\]|(?P<name>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?))"
    r"(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE | re.ASCII,
)
_LISTEN = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<four>[^:]+)):(?P<port>[0-9]{1,5})")


def is_loopback(host: str) -> bool:
    """Return whether a host, a name or an IP address, is this machine to itself."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _web_url(value: Any) -> str:
    """Read the address by which browsers reach the dashboard."""
    found = _URL.fullmatch(text(value))
    if found is None or not _is_port(found["port"] or "443"):
        raise InvalidValueError(
            'give the address without a path, such as "https://hive.example.net" or '
            '"https://hive.example.net:8443"'
        )
    url = found[0].lower()
    if found["scheme"].lower() == "http" and not is_loopback(
        (found["ip"] or found["name"]).lower()
    ):
        raise InvalidValueError(
            "with http: others could read the session; give https:, or http://localhost:7000 for "
            "browsers of this machine"
        )
    return url


def _listen(value: Any) -> str:
    """Read where a server listens."""
    written = text(value)
    path = written.removeprefix(UNIX)
    if path != written:
        if path.startswith("/") and path.isprintable():
            return written
        raise InvalidValueError('the path of a socket begins with "/": "unix:/run/web.sock"')
    found = _LISTEN.fullmatch(written)
    with suppress(ValueError):
        if found is not None and _is_port(found["port"]):
            if found["six"] is not None:
                return f"[{ipaddress.IPv6Address(found['six'])}]:{int(found['port'])}"
            return f"{ipaddress.IPv4Address(found['four'])}:{int(found['port'])}"
    raise InvalidValueError(
        'give an IP address with a port, such as "127.0.0.1:7000" or "[::1]:7000", or a socket, '
        'such as "unix:/run/web.sock"'
    )


def _is_port(written: str) -> bool:
    return 1 <= int(written) <= PORT_MAX


def _proxy(value: Any) -> str:
    """Read the IP address of a proxy."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(text(value)))
    raise InvalidValueError('give an IP address such as "127.0.0.1"')


def _check_web(web: WebConfig) -> Iterator[tuple[KeyPath, str]]:
    if (web.certificate is None) is not (web.key is None):
        given, other = ("key", "certificate") if web.certificate is None else ("certificate", "key")
        yield (given,), f"{given!r} and {other!r} belong together; give {other!r}, too"
    if web.certificate is not None and (web.url or "").startswith("http:"):
        yield ("url",), "with a 'certificate' browsers use https:, and this begins with http:"
    if not (_is_private(web.listen) or web.certificate or web.trusted_proxies):
        yield (
            ("listen",),
            "others could read the session, since nothing is encrypted; give 'certificate' and "
            "'key', or the 'trusted_proxies' that do it",
        )


def _is_private(listen: str) -> bool:
    """Return whether only this machine can connect."""
    return listen.startswith(UNIX) or is_loopback(listen.rpartition(":")[0].strip("[]"))


WEB_URL = scalar("text", _web_url, {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/]+$"})
LISTEN = scalar("text", _listen, STRING)
PROXY = scalar("text", _proxy, STRING)

WEB = Table(
    WebConfig,
    (
        Key(
            "url",
            WEB_URL,
            'the address by which browsers reach it, `"https://hive.example.net"`, without a '
            "path; status rows then have the address of each participant's page",
        ),
        Key(
            "listen",
            LISTEN,
            'where it listens: `"127.0.0.1:7000"`, `"[::1]:7000"`, or a unix socket for a proxy, '
            '`"unix:/run/hyperhive-web/http.sock"`',
        ),
        Key("sessions", POSITIVE_DURATION, "time after which a browser has to log in again"),
        Key(
            "certificate",
            PATH,
            "the file with its certificate and the chain of that, in PEM; its user must be able to "
            "read it",
        ),
        Key("key", PATH, "the file with the key of the certificate"),
        Key(
            "trusted_proxies",
            array_of(PROXY),
            "IP addresses of proxies in front of it whose word about the client's address and "
            "about https counts",
        ),
        Key(
            "quiet_hours",
            QUIET,
            'hours of the day, `"22:00-07:00"` in the time zone of the machine, in which it '
            "notifies no device",
        ),
    ),
    check=_check_web,
)
