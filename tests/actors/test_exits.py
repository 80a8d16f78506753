"""Exit reasons: values an operator can read."""

import pytest

from actors import Crashed, Killed, NoProc, Normal, Shutdown, StartFailed, is_graceful


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (Normal(), "finished normally"),
        (Shutdown(), "was shut down"),
        (Shutdown("deploy"), "was shut down: deploy"),
        (Crashed(ValueError("no such row")), "crashed with ValueError: no such row"),
        (Crashed(KeyError()), "crashed with KeyError"),
        (Killed(), "was killed"),
        (NoProc(), "was not alive"),
        (StartFailed(OSError("port taken")), "failed to start with OSError: port taken"),
    ],
)
def test_a_reason_reads_as_what_the_actor_did(reason: object, sentence: str) -> None:
    assert str(reason) == sentence


@pytest.mark.parametrize("reason", [Normal(), Shutdown(), Shutdown("x")])
def test_normal_and_shutdown_are_graceful(reason: Normal | Shutdown) -> None:
    assert is_graceful(reason)


@pytest.mark.parametrize("reason", [Crashed(ValueError()), Killed(), NoProc()])
def test_everything_else_is_a_failure(reason: Crashed | Killed | NoProc) -> None:
    assert not is_graceful(reason)


def test_a_crash_carries_its_traceback() -> None:
    def go_wrong() -> None:
        raise ValueError("deep down")

    with pytest.raises(ValueError, match="deep down") as caught_info:
        go_wrong()
    caught = caught_info.value

    for reason in (Crashed(caught), StartFailed(caught)):
        assert "test_a_crash_carries_its_traceback" in reason.traceback
        assert "ValueError: deep down" in reason.traceback
