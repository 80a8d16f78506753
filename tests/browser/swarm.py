"""A small hive whose dashboard the tests look at: real daemon, real agents, real dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hive.client.blocking import BlockingClient, call
from tests.browser.chromium import Chromium
from tests.support.daemons import HiveOnDisk, eventually
from tests.support.repositories import Repository
from tests.web.dashboard_process import DashboardProcess

TOML = """
[manager]
exec = ["sleep", "100000"]
description = "shares out the work"

[agents.alice]
run = ["cat"]
description = "repeats what it reads"

[agents.bob]
exec = ["sh", "-c", "echo reading the plan; exec sleep 100000"]

[peers.damocles]
description = "the day-job session"
"""

AGENT_TOML = 'run = ["./answer.sh"]\n'

Row = dict[str, Any]


def item(number: object, kind: str = "question") -> str:
    """Return the selector of what waits on the overview."""
    return f'[data-key="{kind}-{number}"]'


class BrowsedHive:
    """A hive, its dashboard, and what its participants do.

    Args:
        root: Where its files are.
        participants: Their tables of hive.toml.

    Attributes:
        disk: The daemon and the files.
        web: The process of the dashboard.
        url: The address of the dashboard, without a path.
    """

    def __init__(self, root: Path, participants: str = TOML) -> None:
        self.disk = HiveOnDisk(root)
        self.web = DashboardProcess(self.disk)
        self.url = f"http://{self.web.listen}"
        self.disk.configure(self.web_table() + participants)
        self._cookie: Row | None = None

    def close(self) -> None:
        """End all of it."""
        self.web.close()
        self.disk.close()

    def web_table(self) -> str:
        """Return the table of hive.toml about the dashboard."""
        return f'[web]\nurl = "{self.url}"\n'

    def mend(self) -> None:
        """Start what an earlier test ended, and settle what still waits for the operator."""
        if self.disk.daemon is None or self.disk.daemon.poll() is not None:
            self.disk.start("--no-status")
        if self.web.process is None or self.web.process.poll() is not None:
            self.web.start()
        for item in self.operator("attention")["items"]:
            self._settle(item)

    def _settle(self, item: Row) -> None:
        number = item.get("number")
        if item["kind"] == "question":
            self.operator("answer", id=number, answer="never mind")
        elif item["kind"] == "approval":
            self.operator("deny", id=number)
        elif item["kind"] == "mail":
            self.operator("read_mail", ids=[number])
        elif item["kind"] == "dead_letter":
            self.operator("discard", ids=[number])

    def log_in(self, browser: Chromium) -> None:
        """Give a browser the session that all tests share; make it for the first one."""
        browser.base = self.url
        if self._cookie is not None:
            browser.command("Network.setCookie", **self._cookie)
            browser.open("/")
        if browser.path != "/" or self._cookie is None:
            browser.driver.get(self.link())
            browser.click("Log in on this browser")
            browser.shows("need")
            found = browser.command("Network.getCookies", urls=[self.url])["cookies"]
            (cookie,) = found
            kept = ("name", "value", "path", "httpOnly", "sameSite", "secure")
            self._cookie = {"url": self.url, **{key: cookie[key] for key in kept}}

    def forget_session(self) -> None:
        """Log in anew next time."""
        self._cookie = None

    def link(self) -> str:
        """Return a link that logs in once, as the operator gets it."""
        return self.disk.ok("web-login").split()[0]

    # What happens in the hive

    def operator(self, cmd: str, **fields: Any) -> Row:
        """Ask the daemon as the operator."""
        return dict(call(self.disk.run_dir / "host.sock", {"cmd": cmd, **fields}))

    def participant(self, name: str, cmd: str, **fields: Any) -> Row:
        """Ask the daemon as a participant."""
        return dict(call(self.disk.socket_of(name), {"cmd": cmd, **fields}))

    def ask(self, question: str, *options: str, multi: bool = False) -> int:
        """Let damocles ask the operator; return the question's number."""
        fields = {"question": question, "options": list(options), "multi": multi}
        found = self.participant("damocles", "ask", **fields)
        return int(found["id"])

    def mail_of(self, name: str) -> list[Row]:
        """Return the mail in an inbox, newest last."""
        return list(self.operator("inbox", name=name)["messages"])

    def received(self, name: str, text: str) -> Row:
        """Wait until a message with a text is in an inbox, and return it."""

        def find() -> list[Row]:
            return [row for row in self.mail_of(name) if text in row["body"]]

        return dict(eventually(find, what=f"a message to {name} with {text!r}")[-1])

    def turn_events(self, *events: tuple[str, str]) -> None:
        """Let bob's harness report what happens in its turn.

        Args:
            events: Kind and text: `text`, `tool`, `tool_result` or `note`.
        """
        with BlockingClient(self.disk.socket_of("bob")) as connection:
            connection.call({"cmd": "hello", "role": "harness"})
            for kind, text in events:
                connection.call({"cmd": "live", "kind": kind, "text": text})

    def propose(self, name: str, script: str, description: str = "a helper") -> Row:
        """Let the manager propose a new agent; return the approval that waits."""
        repository = Repository(self.disk.state_dir / "proposed" / name)
        file = repository.path / "answer.sh"
        file.touch()
        file.chmod(0o755)
        sha = repository.commit({"agent.toml": AGENT_TOML, "answer.sh": script})
        manager = self.disk.run_dir / "manager.sock"
        fields = {"name": name, "commit_ref": sha, "description": description}
        number = call(manager, {"cmd": "request_spawn", **fields})["approval"]
        return dict(self.operator("approval", id=number)["approval"])

    def deploy(self) -> None:
        """Approve a change and let it be deployed, unless one was."""
        if self.operator("deploys")["deploys"]:
            return
        row = self.propose("worker", "#!/bin/sh\nexec cat\n")
        self.operator("approve", id=row["id"], sha=row["fetched_sha"])
        eventually(
            lambda: self.operator("approval", id=row["id"])["approval"]["status"] == "done",
            what="a deployed change",
        )

    def dead_letter(self, body: str) -> int:
        """Let damocles refuse a message, and return its number."""
        with BlockingClient(self.disk.socket_of("damocles")) as connection:
            connection.call({"cmd": "requeue_inflight"})
            number = int(self.operator("send", to="damocles", body=body)["id"])
            while messages := connection.call({"cmd": "recv", "max": 32})["messages"]:
                for each in messages:
                    if each["id"] == number:
                        reason = "not for me"
                        fields = {"id": number, "mode": "reject", "reason": reason}
                        connection.call({"cmd": "nack", **fields})
                connection.call({"cmd": "ack_turn"})
        return number

    def audit(self, verb: str) -> Row:
        """Return the newest entry of the audit about a verb."""
        rows = self.operator("audit", max=100)["entries"]
        return dict([row for row in rows if row["verb"] == verb][-1])
