"""The page of the account, and what its buttons do: sessions, passkeys, devices to notify."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hive.clock import rfc3339
from hive.errors import NotAllowedError
from hive.web.book_saver import save_or_warn
from hive.web.browser_exchange import read_form
from hive.web.control_socket import row_of
from hive.web.form_actions import Form, number_in
from hive.web.guard import check_form, cookie_header, local_path
from hive.web.operator_account import OperatorAccount
from hive.web.page_answers import PageAnswers, saying, session_of
from hive.web.passkeys import Passkey
from hive.web.push_subscriptions import PushSubscription

LOG = logging.getLogger(__name__)

LOGIN_MAX = 1 << 16
"""Bytes of the form of a login by a passkey, which anybody may send."""

Row = Mapping[str, Any]


@frozen
class AccountPages:
    """Answers requests about the account.

    Attributes:
        answers: Makes pages.
        account: Passkeys and devices.
        save_sessions: Saves the sessions if they have changed.
        secure: Whether browsers use TLS.
    """

    answers: PageAnswers
    account: OperatorAccount
    save_sessions: Callable[[], Awaitable[None]]
    secure: bool

    @property
    def routes(self) -> list[Route]:
        """Where all of it is."""
        posts = {
            "/account/session/end": self.end_session,
            "/account/passkey/options": self.new_passkey,
            "/account/passkey/add": self.add_passkey,
            "/account/passkey/remove": self.remove_passkey,
            "/account/device/add": self.add_device,
            "/account/device/remove": self.remove_device,
            "/login/passkey/options": self.login_options,
            "/login/passkey": self.log_in,
        }
        return [
            Route("/account", self.show),
            *(Route(path, handler, methods=["POST"]) for path, handler in posts.items()),
        ]

    async def show(self, request: Request) -> Response:
        """Return the page."""
        session = session_of(request).id
        passkeys, devices = self.account.passkeys, self.account.pushes.all()
        return self.answers.page(
            request,
            "account.html",
            session=session,
            sessions=[row_of(each) for each in self.answers.book.all(self.answers.now())],
            passkeys=[_passkey_row(each) for each in passkeys.all()],
            passkey_trouble=passkeys.site.trouble(request.headers.get("host", "")),
            devices=[_device_row(each) for each in devices],
            is_notified=any(each.session == session for each in devices),
            push_key=self.account.sender.public_key,
        )

    # Sessions

    async def end_session(self, request: Request) -> Response:
        """End a session; a browser that ends its own has to log in again."""
        form = await _form(request)
        self.answers.book.revoke(number_in(form, "number"))
        await self.save_sessions()
        return _done(request, "the session has ended")

    # Passkeys

    async def new_passkey(self, request: Request) -> Response:
        """Return what a browser needs to make a passkey."""
        await _form(request)
        self._check_site(request)
        options = self.account.passkeys.registration(session_of(request).digest, self.answers.now())
        return JSONResponse(json.loads(options))

    async def add_passkey(self, request: Request) -> Response:
        """Register the passkey that a browser has made."""
        form = await _form(request)
        added = self.account.passkeys.register(
            session_of(request).digest,
            form.get("name", ""),
            form.get("answer", ""),
            self.answers.now(),
        )
        await self.account.save()
        return JSONResponse(_going_on(request, f"{added.name} can log in now"))

    async def remove_passkey(self, request: Request) -> Response:
        """Forget a passkey. Sessions that it began go on."""
        form = await _form(request)
        self.account.passkeys.remove(number_in(form, "number"))
        await self.account.save()
        return _done(request, "the passkey can log in no more")

    async def login_options(self, request: Request) -> Response:
        """Return what a browser without a session needs to log in by a passkey."""
        self._check_site(request)
        return JSONResponse(json.loads(self.account.passkeys.login(self.answers.now())))

    async def log_in(self, request: Request) -> Response:
        """Begin a session for a browser that has signed with a passkey."""
        form = await read_form(request, LOGIN_MAX)
        now, address = self.answers.now(), request.client.host if request.client else ""
        try:
            self.account.passkeys.log_in(form.get("answer", ""), now)
        except NotAllowedError as error:
            LOG.warning("a wrong passkey was tried from %s: %s", address or "a unix socket", error)
            raise
        cookie = self.answers.book.begin(request.headers.get("user-agent", ""), address, now)
        await save_or_warn(self.account.save)
        await save_or_warn(self.save_sessions)
        answer = JSONResponse({"next": local_path(form.get("next", "/"))})
        answer.headers["set-cookie"] = cookie_header(
            cookie, secure=self.secure, seconds=self.answers.book.lifetime
        )
        return answer

    def _check_site(self, request: Request) -> None:
        trouble = self.account.passkeys.site.trouble(request.headers.get("host", ""))
        if trouble is not None:
            raise NotAllowedError(trouble)

    # Devices

    async def add_device(self, request: Request) -> Response:
        """Notify this browser from now on, and say so to it."""
        form, session = await _form(request), session_of(request)
        added = self.account.pushes.add(
            session,
            form.get("endpoint", ""),
            form.get("key", ""),
            form.get("secret", ""),
            self.answers.now(),
        )
        await self.account.save()
        await self.account.watch.greet(added)
        found = [each for each in self.account.pushes.all() if each.id == added.id]
        trouble = found[0].trouble if found else "its push service does not know it"
        words = "this device is notified"
        if trouble is not None:
            words = f"the first notification did not arrive: {trouble}"
        return JSONResponse(_going_on(request, words))

    async def remove_device(self, request: Request) -> Response:
        """Notify a browser no more."""
        form = await _form(request)
        self.account.pushes.remove(number_in(form, "number"))
        await self.account.save()
        return _done(request, "the device is notified no more")


async def _form(request: Request) -> Form:
    """Return the fields of a form of this session."""
    form = await read_form(request)
    check_form(session_of(request).secret, form.get("token", ""))
    return form


def _done(request: Request, sentence: str) -> Response:
    return RedirectResponse(saying(request, "/account", "done", sentence), 303)


def _going_on(request: Request, sentence: str) -> Mapping[str, str]:
    """Return what was done, and where the script of the page goes on to."""
    return {"done": sentence, "next": saying(request, "/account", "done", sentence)}


def _passkey_row(passkey: Passkey) -> Row:
    used = None if passkey.used is None else rfc3339(passkey.used)
    return {
        "id": passkey.id,
        "name": passkey.name,
        "added": rfc3339(passkey.added),
        "used": used,
    }


def _device_row(device: PushSubscription) -> Row:
    sent = None if device.sent is None else rfc3339(device.sent)
    return {
        "id": device.id,
        "browser": device.browser,
        "session": device.session,
        "began": rfc3339(device.began),
        "sent": sent,
        "trouble": device.trouble,
    }
