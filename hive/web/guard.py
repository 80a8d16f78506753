"""What a browser may ask for, and what it may do with a page. Pure.

The sources are the OWASP cheat sheets on cross-site request forgery and DNS rebinding, and the
specification of Content Security Policy, level 3.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping

from hive.errors import NotAllowedError
from hive.escapes import inline

COOKIE = "hive_session"
"""Name of the cookie without TLS."""

SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name under TLS: a browser takes it from this very host only, see RFC 6265bis."""

SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names by which a page on this machine is reached."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response. No script or style is inline, and nothing is loaded from elsewhere."""

CACHE = {"Cache-Control": "no-store"}
"""Header of each response that has none of its own: it may be what only a session may see."""


def check_host(host: str, allowed: Collection[str]) -> None:
    """Require that a request names this server: another name leads here by DNS rebinding.

    Args:
        host: The header `Host`, perhaps with a port.
        allowed: Names without ports.

    Raises:
        NotAllowedError: It names another one.
    """
    if _without_port(host.casefold()) not in allowed:
        raise NotAllowedError(
            f"this server is not called '{inline(host[:100])}'; name it by 'url' in [web] of "
            "hive.toml, or ask for " + ", ".join(sorted(allowed))
        )


def check_origin(method: str, headers: Mapping[str, str], host: str, *, secure: bool) -> None:
    """Require that a request that changes something comes from a page of this server.

    A browser sends `Origin` with each such request, and `Sec-Fetch-Site` if it is not old. One that
    changes nothing may come along a link of another site.

    Args:
        method: The method.
        headers: The headers, by lower-case name.
        host: The header `Host`.
        secure: Whether browsers use TLS: then a page without it is another site's, but on this
            machine, where a tunnel may lead here without it.

    Raises:
        NotAllowedError: It comes from elsewhere, or does not say from where.
    """
    if method in SAFE_METHODS:
        _check_fetch(headers)
        return
    origin = headers.get("origin", "")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise NotAllowedError("this request comes from a page of another site")
    is_https_only = secure and _without_port(host.casefold()) not in LOCAL_HOSTS
    schemes = ("https",) if is_https_only else ("https", "http")
    if origin.casefold() not in {f"{scheme}://{host}".casefold() for scheme in schemes}:
        raise NotAllowedError("this request does not come from a page of this server")


def _check_fetch(headers: Mapping[str, str]) -> None:
    """Require that another site only links to a page, so that it cannot measure how long one takes.

    Another port of this machine is the same site, whose requests carry the cookie.
    """
    if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
        return
    if (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) != ("navigate", "document"):
        raise NotAllowedError("this request comes from a page of another site")


def form_token(secret: str) -> str:
    """Return the token that each form of a session carries."""
    return _signed(secret, "form")


def seal(secret: str, words: str) -> str:
    """Return what shows that words in the address of a page are of this server and session."""
    return _signed(secret, f"said {words}")


def is_sealed(secret: str, words: str, found: str) -> bool:
    """Return whether words in the address of a page have their seal."""
    return _is_same(seal(secret, words), found)


def _signed(secret: str, words: str) -> str:
    return hmac.new(secret.encode(), words.encode(errors="replace"), hashlib.sha256).hexdigest()


def _is_same(expected: str, found: str) -> bool:
    return hmac.compare_digest(expected.encode(), found.encode(errors="replace"))


def check_form(secret: str, token: str) -> None:
    """Require the token of a session's form.

    Raises:
        NotAllowedError: It is another one.
    """
    if not _is_same(form_token(secret), token):
        raise NotAllowedError("this page belongs to another session; load it again")


def cookie_header(value: str, *, secure: bool, seconds: float) -> str:
    """Return the header `Set-Cookie` of a session; with 0 seconds the browser forgets it."""
    name = SECURE_COOKIE if secure else COOKIE
    words = [f"{name}={value}", "Path=/", f"Max-Age={seconds:.0f}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*words, "Secure"] if secure else words)


def cookie_of(cookies: Mapping[str, str], *, secure: bool) -> str | None:
    """Return the cookie of a session; under TLS one that was set without it does not count."""
    return cookies.get(SECURE_COOKIE if secure else COOKIE)


def local_path(path: str) -> str:
    """Return the path of a page of this server to go on to, or the first page for another one."""
    is_here = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_here else "/"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    is_port = bool(colon) and port.isascii() and port.isdigit()
    return name if is_port and (name[-1:] == "]" or ":" not in name) else host
