"""What an agent does that shares the network of the host and wants to be the operator.

It is the program of an agent. Outside of a container it gives up all rights of the operator that
the process runtime leaves it, if it can: it then is another user of the host, as root in a
container is.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - its file is out of reach without the rights
import http.client
import json
import os
import socket
import sys
import time

NOBODY = 65534

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")

GUESSES = ("", "hive_session=", "hive_session=1", "__Host-hive_session=1", "session=../../etc")

HOSTS = ("evil.example", "127.0.0.1.evil.example", "localhost:1@evil.example", "", "hive", "[::2]")

ORIGINS = ("null", "http://evil.example", "http://127.0.0.1:1", "https://localhost.evil.example")

Asked = list[object]


def ask(where: str, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    """Return the status and the body of an answer."""
    connection = http.client.HTTPConnection(where, timeout=10)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def raw(where: str, data: bytes) -> str:
    """Return the first line of the answer to some bytes."""
    host, _, port = where.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        return connection.makefile("rb").readline().decode(errors="replace").strip()


def try_pages(where: str, paths: list[str]) -> list[Asked]:
    """Ask for each page in each way, with each guess of a cookie."""
    own = {"origin": f"http://{where}", "accept": "text/html"}
    found: list[Asked] = []
    for path in paths:
        for method in METHODS:
            status, body = ask(where, method, path, "token=x&name=alice&body=x", **own)
            found.append([method, path, status, body])
        found += [["GET", path, *ask(where, "GET", path, cookie=guess, **own)] for guess in GUESSES]
    return found


def try_stolen(where: str, cookie: str) -> list[int]:
    """Use a cookie that a browser has sent to a server of ours at another port."""
    own = {"origin": f"http://{where}", "cookie": cookie}
    found = [ask(where, "GET", path, **own)[0] for path in ("/", "/mail", "/live/overview")]
    host, _, port = where.rpartition(":")
    line = f"POST /logout HTTP/1.1\r\nHost: {where}\r\nOrigin: {own['origin']}\r\n"
    line += f"Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(line.encode())  # and close at once, so that nobody owns our end
    return found


def try_links(where: str) -> list[int]:
    """Try wrong links, each as a page of the dashboard would, from invented addresses."""
    own = {"origin": f"http://{where}", "content_type": "application/x-www-form-urlencoded"}
    return [
        ask(where, "POST", "/login", f"link=guess{at}", x_forwarded_for=f"10.0.0.{at}", **own)[0]
        for at in range(15)
    ]


def try_headers(where: str) -> dict[str, int]:
    """Forge what a browser says about itself."""
    found = {f"host {host}": ask(where, "GET", "/login", host=host)[0] for host in HOSTS}
    for origin in ORIGINS:
        found[f"origin {origin}"] = ask(where, "POST", "/login", "link=x", origin=origin)[0]
    found["no origin"] = ask(where, "POST", "/login", "link=x")[0]
    rebound = {"origin": "http://evil.example", "host": "evil.example"}
    found["rebound"] = ask(where, "POST", "/do/send", "name=bob&body=x", **rebound)[0]
    own = {"origin": f"http://{where}"}
    found["too long"] = ask(where, "POST", "/login", f"link={'x' * 100_000}", **own)[0]
    return found


def try_lines(where: str) -> list[str]:
    """Send requests that no browser sends."""
    host = where.encode()
    return [
        raw(where, b"GET /audit HTTP/1.1\r\nHost: " + host + b"\r\nHost: evil.example\r\n\r\n"),
        raw(where, b"GET http://evil.example/audit HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        raw(where, b"GET /static/../audit HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"),
        raw(where, b"GET /static/%2e%2e/app.py HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"),
        raw(where, b"GET //login/../audit HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"),
        raw(where, b"GET /login/%2e%2e/audit HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"),
        raw(where, b"GET /audit HTTP/1.0\r\n\r\n"),
        raw(where, b"\x16\x03\x01\x00\x05hello\r\n\r\n"),
    ]


def try_sockets(paths: list[str]) -> dict[str, str]:
    """Connect to the sockets of the operator, and look at the files of the dashboard."""
    found = {}
    for path in paths:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
                connection.sendall(b'{"cmd":"login_link"}\n')
                found[path] = connection.makefile().readline()
            except OSError as error:
                found[path] = type(error).__name__
    return found


def report(what: str, found: object) -> None:
    """Print what was found."""
    sys.stdout.write(f"REPORT {json.dumps([what, found])}\n")
    sys.stdout.flush()


def main() -> None:
    """Attack, and report all of it, in lines that are not too long for a journal."""
    where, task = sys.argv[1], json.loads(sys.argv[2])
    if os.geteuid() == 0 and task["drops_rights"]:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    report("uid", os.geteuid())
    report("headers", try_headers(where))
    for method, path, status, body in try_pages(where, task["paths"]):
        found = [secret for secret in task["secrets"] if secret in str(body)]
        report("page", [method, path, status, str(body)[:40], found])
    report("stolen", try_stolen(where, task["stolen"]))
    report("links", try_links(where))
    report("lines", try_lines(where))
    report("sockets", try_sockets(task["sockets"]))
    report("end", None)
    time.sleep(100_000)


main()
