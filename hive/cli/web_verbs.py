"""The verbs of the dashboard: `web` serves it, the others say which browsers may use it."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any

import click

from hive.base_directories import web_socket
from hive.cli import options, output
from hive.cli.completing import complete_numbers
from hive.cli.requests import QUERY
from hive.client import blocking
from hive.errors import FailedError
from hive.extras import how_to_install
from hive.view.web_session_lines import session_line

LIBRARIES = ("starlette", "uvicorn", "jinja2", "webauthn", "py_vapid", "http_ece")
"""What the dashboard is made with."""


@click.command()
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Where: 127.0.0.1:7000, [::1]:7000, or unix:PATH for a proxy or a tunnel.",
)
@click.option("--url", help="The address by which browsers reach it, without a path.")
@click.option(
    "--certificate", metavar="FILE", help="Certificate and its chain, for TLS without a proxy."
)
@click.option("--key", metavar="FILE", help="Key of the certificate.")
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="IP",
    help="A proxy whose word about the client's address counts. May be repeated.",
)
@click.option("--link", is_flag=True, help="Print a link that logs in, as 'web-login' does.")
def web(link: bool, **given: Any) -> None:
    """Serve the dashboard in the foreground until Ctrl-C or SIGTERM.

    What is not given is as in [web] of hive.toml, for which it waits until the daemon answers;
    with --listen and --url it does not. Without a login it shows nothing.
    """
    if not all(map(find_spec, LIBRARIES)):
        raise FailedError(f"the dashboard needs further libraries: {how_to_install('web')}")
    from hive.web.serving import run_dashboard

    run_dashboard({**given, "trusted_proxies": list(given["trusted_proxies"])}, show_link=link)


@click.command("web-login")
def web_login() -> None:
    """Print a link that logs a browser in to the dashboard.

    It works once, within ten minutes.
    """
    output.lines([str(_ask("login_link")["url"])])
    output.hint("It works once, within ten minutes.")


@click.command("web-sessions")
@click.option(
    "--revoke",
    "numbers",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    shell_complete=complete_numbers,
    help="Log out the browser of this number. May be repeated.",
)
@click.option("--all", "every", is_flag=True, help="Log out all browsers; unused links end, too.")
@options.as_json
def web_sessions(numbers: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Show the browsers that are logged in to the dashboard, or log some out."""
    if every and numbers:
        raise output.misuse("web-sessions", "give numbers or --all, not both")
    if every:
        _ask("revoke")
    elif numbers:
        output.each(map(str, numbers), lambda number: _ask("revoke", id=int(number)))
    else:
        _show(_ask("sessions")["sessions"], as_json=as_json)


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.document(rows, "WebSessionRow")
        return
    if not rows:
        output.hint("No browser is logged in.")
    now = time.time()
    output.lines(session_line(row, now) for row in rows)


def _ask(cmd: str, **fields: Any) -> dict[str, Any]:
    """Return the dashboard's answer to a request."""
    return blocking.call(web_socket(), {"cmd": cmd, **fields}, QUERY, warn=output.complain)
