"""Pages of the dashboard that stay open, as browsers hold them, without the browsers."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse

from attrs import define, field

LIVE = re.compile(r'data-live="([^"]+)"')
"""Where a page says what follows it."""

HTML = {"Accept": "text/html"}


@define
class Visitor:
    """Somebody who has logged in.

    Attributes:
        host: Host and port of the dashboard.
        cookie: The cookie of the session.
    """

    host: str
    cookie: str

    def get(self, path: str, **headers: str) -> tuple[HTTPConnection, HTTPResponse]:
        """Ask for a page or a stream, and return its beginning."""
        connection = HTTPConnection(self.host, timeout=60)
        connection.request("GET", path, headers={"Cookie": self.cookie, **HTML, **headers})
        return connection, connection.getresponse()


@define
class OpenPage:
    """A page whose stream is read and counted.

    Attributes:
        visitor: Who has it open.
        path: Its path.
        received: Bytes of the stream.
    """

    visitor: Visitor
    path: str
    received: int = 0
    _connection: HTTPConnection | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def open(self) -> None:
        """Load it, and follow what changes."""
        connection, page = self.visitor.get(self.path)
        found = LIVE.search(page.read().decode())
        connection.close()
        if found is None:
            raise RuntimeError(
                f"{self.path} answered {page.status}, and is not followed by a stream"
            )
        live = found[1].replace("&amp;", "&")
        self._connection, stream = self.visitor.get(live, Accept="text/event-stream")
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave it."""
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.shutdown(2)

    def _read(self, stream: HTTPResponse) -> None:
        with suppress(OSError, HTTPException, ValueError):
            while chunk := stream.read1(65536):
                self.received += len(chunk)
