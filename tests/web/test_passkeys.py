"""Passkeys: registration from a session, login, and what neither takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
)
from hive.web.passkey_challenges import CHALLENGE_SECONDS, Challenges
from hive.web.passkeys import (
    ANSWER_MAX,
    PASSKEYS_MAX,
    PasskeyBook,
    PasskeySite,
    SavedPasskeys,
)
from hive.web.wrong_attempts import ATTEMPTS
from tests.support.authenticators import PRESENT, VERIFIED, SoftwareAuthenticator, base64url

NOW = 1_700_000_000.0
URL, HOST = "https://hive.example.org", "hive.example.org"


def random() -> Callable[[int], bytes]:
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


@pytest.fixture
def book() -> PasskeyBook:
    return PasskeyBook(PasskeySite(URL), random())


@pytest.fixture
def phone() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(URL, HOST)


def registered(book: PasskeyBook, phone: SoftwareAuthenticator, now: float = NOW) -> None:
    options = json.loads(book.registration("session 1", now))
    book.register("session 1", "my phone", phone.make(options), now)


def login_options(book: PasskeyBook, now: float = NOW) -> dict[str, object]:
    found: dict[str, object] = json.loads(book.login(now))
    return found


def test_a_passkey_is_registered_and_logs_in(
    book: PasskeyBook, phone: SoftwareAuthenticator
) -> None:
    options = json.loads(book.registration("session 1", NOW))
    assert options["rp"]["id"] == HOST
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    added = book.register("session 1", " my phone ", phone.make(options), NOW + 1)
    assert (added.id, added.name, added.added, added.used) == (1, "my phone", NOW + 1, None)

    options = login_options(book, NOW + 5)
    assert options["userVerification"] == "required"
    assert options["rpId"] == HOST
    assert not options.get("allowCredentials"), "nobody without a session sees which there are"
    found = book.log_in(phone.sign(options), NOW + 6)
    assert (found.id, found.used, found.counter) == (1, NOW + 6, 2)
    assert book.all() == (found,)


def test_a_passkey_without_a_name_gets_its_number(
    book: PasskeyBook, phone: SoftwareAuthenticator
) -> None:
    options = json.loads(book.registration("s", NOW))
    assert book.register("s", "", phone.make(options), NOW).name == "passkey 1"


@pytest.mark.parametrize("name", ["x" * 41, "a\nb", "\u202eevil", "\x1b[2J"])
def test_a_name_is_short_and_printable(
    book: PasskeyBook, phone: SoftwareAuthenticator, name: str
) -> None:
    options = json.loads(book.registration("s", NOW))
    with pytest.raises(BadRequestError, match="at most 40"):
        book.register("s", name, phone.make(options), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://evil.example"},
        {"origin": f"{URL}:8443"},
        {"origin": "http://hive.example.org"},
        {"type": "webauthn.create"},
        {"challenge": base64url(b"x" * 56)},
        {"challenge": ""},
    ],
)
def test_a_signature_for_something_else_does_not_log_in(
    book: PasskeyBook, phone: SoftwareAuthenticator, changed: dict[str, str]
) -> None:
    registered(book, phone)
    with pytest.raises(NotAllowedError):
        book.log_in(phone.sign(login_options(book), **changed), NOW)


def test_another_host_and_another_key_do_not_log_in(
    book: PasskeyBook, phone: SoftwareAuthenticator
) -> None:
    registered(book, phone)
    phone.rp_id = "example.org"
    with pytest.raises(NotAllowedError, match="RP ID"):
        book.log_in(phone.sign(login_options(book)), NOW)
    thief = SoftwareAuthenticator(URL, HOST, counter=10, credential=phone.credential)
    with pytest.raises(NotAllowedError, match="signature"):
        book.log_in(thief.sign(login_options(book)), NOW)


def test_the_user_has_to_be_verified(book: PasskeyBook, phone: SoftwareAuthenticator) -> None:
    phone.flags = PRESENT
    options = json.loads(book.registration("s", NOW))
    with pytest.raises(NotAllowedError, match="verif"):
        book.register("s", "", phone.make(options), NOW)
    phone.flags |= VERIFIED
    registered(book, phone)
    phone.flags = PRESENT
    with pytest.raises(NotAllowedError, match="verif"):
        book.log_in(phone.sign(login_options(book)), NOW)


def test_a_copy_whose_counter_does_not_rise_is_refused(
    book: PasskeyBook, phone: SoftwareAuthenticator
) -> None:
    registered(book, phone)
    book.log_in(phone.sign(login_options(book)), NOW)
    phone.step = 0
    with pytest.raises(NotAllowedError, match="sign count"):
        book.log_in(phone.sign(login_options(book)), NOW)


def test_a_passkey_of_a_cloud_does_not_count(book: PasskeyBook) -> None:
    phone = SoftwareAuthenticator(URL, HOST, step=0)
    registered(book, phone)
    for _ in range(2):
        assert book.log_in(phone.sign(login_options(book)), NOW).counter == 0


def test_an_answer_counts_once(book: PasskeyBook) -> None:
    phone = SoftwareAuthenticator(URL, HOST, step=0)
    registered(book, phone)
    answer = phone.sign(login_options(book))
    book.log_in(answer, NOW)
    with pytest.raises(NotAllowedError, match="done before"):
        book.log_in(answer, NOW + 1)


def test_a_challenge_is_for_one_purpose_and_five_minutes() -> None:
    challenges, other = Challenges(b"key"), Challenges(b"other")
    made = challenges.new("log in", b"n" * 16, NOW)
    challenges.check(made, "log in", NOW + CHALLENGE_SECONDS - 1)
    for wrong in (
        lambda: challenges.check(made, "log in", NOW + CHALLENGE_SECONDS),
        lambda: challenges.check(made, "log in", NOW - 1),
        lambda: challenges.check(made, "register session 1", NOW),
        lambda: challenges.check(made[:-1], "log in", NOW),
        lambda: challenges.check(made[:20], "log in", NOW),
        lambda: challenges.check(b"", "log in", NOW),
        lambda: other.check(made, "log in", NOW),
    ):
        with pytest.raises(NotAllowedError):
            wrong()


def test_what_was_used_is_remembered_as_long_as_it_could_be_used() -> None:
    challenges = Challenges(b"key")
    for at in range(1000):
        challenges.use(bytes([at % 256, at // 256]), NOW + at)
    assert len(challenges._used) <= CHALLENGE_SECONDS + 1


def test_another_session_cannot_use_a_registration(
    book: PasskeyBook, phone: SoftwareAuthenticator
) -> None:
    options = json.loads(book.registration("session 1", NOW))
    with pytest.raises(NotAllowedError):
        book.register("session 2", "", phone.make(options), NOW)
    with pytest.raises(NotAllowedError):
        book.register("session 1", "", phone.make(login_options(book)), NOW)
    assert book.all() == ()


def test_a_passkey_is_registered_once(book: PasskeyBook, phone: SoftwareAuthenticator) -> None:
    registered(book, phone)
    options = json.loads(book.registration("session 1", NOW))
    assert [each["id"] for each in options["excludeCredentials"]] == [base64url(phone.credential)]
    with pytest.raises(ConflictError, match="already"):
        book.register("session 1", "", phone.make(options), NOW)


def test_passkeys_are_bounded_and_removed(book: PasskeyBook) -> None:
    phones = [SoftwareAuthenticator(URL, HOST) for _ in range(PASSKEYS_MAX)]
    for each in phones:
        registered(book, each)
    with pytest.raises(ConflictError, match="20 passkeys"):
        book.registration("session 1", NOW)
    book.remove(3)
    with pytest.raises(NotFoundError):
        book.remove(3)
    with pytest.raises(NotAllowedError, match="removed"):
        book.log_in(phones[2].sign(login_options(book)), NOW)
    registered(book, SoftwareAuthenticator(URL, HOST))
    assert book.all()[-1].id == PASSKEYS_MAX + 1, "numbers are not used again"


def test_wrong_attempts_are_slowed_down_and_never_keep_the_right_one_out(
    book: PasskeyBook, phone: SoftwareAuthenticator
) -> None:
    registered(book, phone)
    stranger = SoftwareAuthenticator(URL, HOST)
    for _ in range(ATTEMPTS):
        with pytest.raises(NotAllowedError):
            book.log_in(stranger.sign(login_options(book)), NOW)
    with pytest.raises(RateLimitedError, match="10 wrong passkeys"):
        book.log_in(stranger.sign(login_options(book)), NOW)
    assert book.log_in(phone.sign(login_options(book)), NOW).id == 1


def test_what_is_saved_is_taken_over(book: PasskeyBook, phone: SoftwareAuthenticator) -> None:
    registered(book, phone)
    assert book.is_changed
    text = msgspec.json.encode(book.saved())
    assert not book.is_changed
    later = PasskeyBook(PasskeySite(URL), random())
    later.restore(msgspec.json.decode(text, type=SavedPasskeys))
    assert later.log_in(phone.sign(login_options(later)), NOW).name == "my phone"
    assert later.is_changed, "the counter and the time are to be saved"


@pytest.mark.parametrize(
    ("url", "host", "reason"),
    [
        ("https://hive.example.org", "hive.example.org", None),
        ("https://box:8443", "BOX:8443", None),
        ("http://localhost:7000", "localhost:7000", None),
        ("http://hive.localhost:7000", "hive.localhost:7000", None),
        ("http://evil-localhost:7000", "evil-localhost:7000", "need https"),
        ("http://127.0.0.1:7000", "127.0.0.1:7000", "127.0.0.1 is an address"),
        ("https://[::1]:7000", "[::1]:7000", "::1 is an address"),
        ("https://100.64.0.7", "100.64.0.7", "is an address"),
        ("http://box:7000", "box:7000", "need https"),
        ("https://hive.example.org", "127.0.0.1:7000", "work at https://hive.example.org"),
        ("https://hive.example.org", "\x1b[2J", r"opened as \\x1b"),
    ],
)
def test_the_page_says_why_passkeys_cannot_be_used(url: str, host: str, reason: str | None) -> None:
    found = PasskeySite(url).trouble(host)
    assert (found is None) if reason is None else (found is not None)
    if reason is not None:
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(found)


def test_an_answer_is_bounded(book: PasskeyBook) -> None:
    with pytest.raises(TooLargeError):
        book.log_in(" " * (ANSWER_MAX + 1), NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "rawId", "type", "response", "clientDataJSON", "authenticatorData"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps))
def test_whatever_a_stranger_sends_is_refused(answer: str) -> None:
    book = PasskeyBook(PasskeySite(URL), random())
    registered(book, SoftwareAuthenticator(URL, HOST))
    with pytest.raises(HiveError):
        book.log_in(answer, NOW)
    with pytest.raises(HiveError):
        book.register("s", "", answer, NOW)
    assert len(book.all()) == 1


@given(st.binary(), st.sampled_from(["authenticatorData", "signature", "clientDataJSON"]))
def test_a_damaged_answer_is_refused(damage: bytes, part: str) -> None:
    book, phone = PasskeyBook(PasskeySite(URL), random()), SoftwareAuthenticator(URL, HOST)
    registered(book, phone)
    answer = json.loads(phone.sign(login_options(book)))
    answer["response"][part] = base64url(damage)
    with pytest.raises(HiveError):
        book.log_in(json.dumps(answer), NOW)


@given(st.binary())
def test_a_damaged_registration_is_refused(damage: bytes) -> None:
    book, phone = PasskeyBook(PasskeySite(URL), random()), SoftwareAuthenticator(URL, HOST)
    answer = json.loads(phone.make(json.loads(book.registration("s", NOW))))
    answer["response"]["attestationObject"] = base64url(damage)
    with pytest.raises(HiveError):
        book.register("s", "", json.dumps(answer), NOW)
