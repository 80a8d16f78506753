"""`[web]` of hive.toml: the address of the dashboard, where it listens, and what contradicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive.config import WebConfig, check, load
from hive.config.existence import LocalLookup
from hive.config.web_schema import is_loopback
from hive.errors import ConfigError

TLS = 'certificate = "/etc/tls/chain.pem"\nkey = "/etc/tls/key.pem"\n'


def web(tmp_path: Path, text: str) -> WebConfig:
    path = tmp_path / "hive.toml"
    path.write_text(f"[web]\n{text}\n")
    return load(path).web


def test_without_the_table_it_listens_for_this_machine_alone(tmp_path: Path) -> None:
    found = web(tmp_path, "")
    assert (found.url, found.listen, found.sessions) == (None, "127.0.0.1:7000", 30 * 86400.0)
    assert (found.certificate, found.key, found.trusted_proxies) == (None, None, ())


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    found = web(
        tmp_path,
        'url = "https://Hive.Example.net:8443"\nlisten = "[::]:7001"\nsessions = "12h"\n'
        + TLS
        + 'trusted_proxies = ["127.0.0.1", "0::1"]\nquiet_hours = "22:00-07:00"\n',
    )
    assert (found.url, found.listen) == ("https://hive.example.net:8443", "[::]:7001")
    assert (found.sessions, str(found.quiet_hours)) == (43_200.0, "22:00-07:00")
    assert (found.certificate, found.key) == (Path("/etc/tls/chain.pem"), Path("/etc/tls/key.pem"))
    assert found.trusted_proxies == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://hive.example.net",
            "https://a",
            "https://100.64.0.1:1",
            "https://[fd00::1]:65535",
        ),
        *(
            "http://localhost:7000",
            "http://127.0.0.1",
            "http://[::1]:7000",
            "http://hive.localhost",
        ),
    ],
)
def test_an_address_of_the_dashboard(tmp_path: Path, url: str) -> None:
    assert web(tmp_path, f'url = "{url}"').url == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "hive.example.net", "ftp://host", "https://", "https://host/", "https://host/hive"),
        *("https://host:0", "https://host:65536", "https://host:port", "https://user@host"),
        *("https://host?x", "https://host#x", "https://ho st", "https://host.", "https://-host"),
        *('https://host\\"', "https://host\\n", "https://h\u00f6st", "https://\u212aelvin"),
    ],
)
def test_what_is_no_address_of_a_dashboard_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"hive.toml:2: web.url: .*the address without a path"):
        web(tmp_path, f'url = "{url}"')


@pytest.mark.parametrize("host", ["hive.example.net", "192.168.1.2", "localhost.example.net"])
def test_without_tls_only_browsers_of_this_machine_reach_it(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=r"web.url: .*others could read the session"):
        web(tmp_path, f'url = "http://{host}"')


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:7000", "127.9.9.9:1", "[::1]:65535", "unix:/run/web.sock"]
)
def test_where_it_may_listen(tmp_path: Path, listen: str) -> None:
    assert web(tmp_path, f'listen = "{listen}"').listen == listen


@pytest.mark.parametrize(
    "listen",
    [
        *("", "7000", ":7000", "localhost:7000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536"),
        *("::1:7000", "[::1]", "[127.0.0.1]:7000", "127.0.0.1:x", "127.0.0.1:\u0663"),
    ],
)
def test_what_is_no_address_to_listen_on_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(ConfigError, match=r"web.listen: .*give an IP address with a port"):
        web(tmp_path, f'listen = "{listen}"')


@pytest.mark.parametrize("listen", ["unix:", "unix:web.sock", "unix:/run/web\\n.sock"])
def test_the_path_of_a_socket_is_absolute(tmp_path: Path, listen: str) -> None:
    with pytest.raises(ConfigError, match=r'web.listen: .*begins with "/"'):
        web(tmp_path, f'listen = "{listen}"')


@pytest.mark.parametrize("listen", ["0.0.0.0:7000", "[::]:7000", "192.168.1.2:7000"])
def test_what_others_can_reach_is_encrypted(tmp_path: Path, listen: str) -> None:
    with pytest.raises(ConfigError, match=r"web.listen: .*nothing is encrypted"):
        web(tmp_path, f'listen = "{listen}"')
    assert web(tmp_path, f'listen = "{listen}"\n{TLS}').listen == listen
    assert web(tmp_path, f'listen = "{listen}"\ntrusted_proxies = ["10.0.0.1"]').listen == listen


@pytest.mark.parametrize(("given", "other"), [("certificate", "key"), ("key", "certificate")])
def test_certificate_and_key_belong_together(tmp_path: Path, given: str, other: str) -> None:
    with pytest.raises(ConfigError, match=rf"web.{given}: .*give '{other}', too"):
        web(tmp_path, f'{given} = "/etc/tls/file.pem"')


def test_a_certificate_contradicts_an_address_without_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web.url: with a 'certificate' browsers use https:"):
        web(tmp_path, f'url = "http://localhost:7000"\n{TLS}')


@pytest.mark.parametrize("proxy", ["", "localhost", "10.0.0.0/8", "10.0.0.1:80"])
def test_a_proxy_is_an_ip_address(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(ConfigError, match=r"web.trusted_proxies\[1\]: .*give an IP address"):
        web(tmp_path, f'trusted_proxies = ["::1", "{proxy}"]')


def test_a_misspelt_key_is_named_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web.trusted_proxy: .*did you mean 'trusted_proxies'"):
        web(tmp_path, 'trusted_proxy = ["::1"]')


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "hive.toml"
    path.write_text('[web]\ncertificate = "chain.pem"\nkey = "key.pem"\n')
    with pytest.raises(ConfigError) as refused:
        check(path, LocalLookup())
    for line, name in (("2: web.certificate", "chain.pem"), ("3: web.key", "key.pem")):
        assert f"{path}:{line}: there is no {tmp_path}/{name}" in str(refused.value)
        (tmp_path / name).touch()
    check(path, LocalLookup())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.1.2.3", True), ("::1", True), ("::", False), ("10.0.0.1", False)],
)
def test_what_this_machine_is_to_itself(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
