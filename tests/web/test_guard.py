"""What a browser may ask for: hosts, origins, forms, cookies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import NotAllowedError
from hive.web.guard import (
    HEADERS,
    check_form,
    check_host,
    check_origin,
    cookie_header,
    cookie_of,
    form_token,
    is_sealed,
    local_path,
    seal,
)

HOSTS = {"127.0.0.1", "localhost", "[::1]", "hive.example.org"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:7000",
        "localhost:1",
        "LOCALHOST",
        "[::1]:7000",
        "[::1]",
        "hive.example.org",
    ],
)
def test_this_server_by_its_names(host: str) -> None:
    check_host(host, HOSTS)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7000", "::1"),
        *("127.0.0.1:x", "hive.example.org.", "127.0.0.1@evil.example", "0.0.0.0:7000"),
        "127.0.0.1:\u00b2",
    ],
)
def test_any_other_name_is_refused(host: str) -> None:
    with pytest.raises(NotAllowedError, match="not called"):
        check_host(host, HOSTS)


def test_a_page_of_this_server_may_change_something() -> None:
    host = "127.0.0.1:7000"
    check_origin("GET", {}, host, secure=False)
    check_origin("POST", {"origin": "http://127.0.0.1:7000"}, host, secure=False)
    same = {"origin": "https://127.0.0.1:7000", "sec-fetch-site": "same-origin"}
    check_origin("POST", same, host, secure=False)


def test_with_tls_only_this_machine_may_be_reached_without() -> None:
    name = "hive.example.org"
    check_origin("POST", {"origin": f"https://{name}"}, name, secure=True)
    check_origin("POST", {"origin": "http://localhost:7000"}, "localhost:7000", secure=True)
    with pytest.raises(NotAllowedError):
        check_origin("POST", {"origin": f"http://{name}"}, name, secure=True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:7001"},
        {"origin": "http://127.0.0.1:7000.evil.example"},
        {"origin": "http://127.0.0.1:7000", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:7000", "sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:7000", "sec-fetch-site": "none"},
    ],
)
def test_nobody_else_may(method: str, headers: dict[str, str]) -> None:
    with pytest.raises(NotAllowedError):
        check_origin(method, headers, "127.0.0.1:7000", secure=False)


def fetched(site: str, mode: str, dest: str) -> dict[str, str]:
    """Return the headers by which a browser says for what it asks."""
    return {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        fetched("none", "navigate", "document"),
        fetched("same-origin", "cors", "empty"),
        fetched("same-site", "navigate", "document"),
        fetched("cross-site", "navigate", "document"),
    ],
)
def test_a_page_may_be_looked_at_along_a_link(headers: dict[str, str]) -> None:
    check_origin("GET", headers, "127.0.0.1:7000", secure=False)


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [("no-cors", "empty"), ("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")],
)
def test_another_site_cannot_measure_how_long_a_page_takes(site: str, mode: str, dest: str) -> None:
    with pytest.raises(NotAllowedError, match="another site"):
        check_origin("GET", fetched(site, mode, dest), "127.0.0.1:7000", secure=False)


def test_what_a_page_says_is_of_its_session() -> None:
    assert is_sealed("one", "done é", seal("one", "done é"))
    for wrong in ("", "é", seal("two", "done é"), seal("one", "error é"), form_token("one")):
        assert not is_sealed("one", "done é", wrong)


def test_a_form_belongs_to_its_session() -> None:
    check_form("one", form_token("one"))
    for wrong in ("", form_token("two"), "one", "é"):
        with pytest.raises(NotAllowedError, match="another session"):
            check_form("one", wrong)


def test_a_cookie_without_tls_does_not_count_under_it() -> None:
    assert cookie_header("x", secure=True, seconds=60).startswith("__Host-hive_session=x; Path=/; ")
    assert "Secure" in cookie_header("x", secure=True, seconds=60)
    assert "Secure" not in cookie_header("x", secure=False, seconds=60)
    for secure in (True, False):
        words = cookie_header("x", secure=secure, seconds=60).split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Max-Age=60", "Path=/"} <= set(words)
    assert cookie_of({"hive_session": "x"}, secure=True) is None
    assert cookie_of({"hive_session": "x"}, secure=False) == "x"


def test_no_script_and_no_style_is_inline_and_nothing_comes_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/agent/alice/?hide=header", "/agent/alice/?hide=header"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
    ],
)
def test_a_login_goes_on_to_a_page_of_this_server(path: str, found: str) -> None:
    assert local_path(path) == found


@given(st.text())
def test_where_a_login_goes_on_to_is_never_elsewhere(path: str) -> None:
    found = local_path(path)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
