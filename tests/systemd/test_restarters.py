"""Which properties of a unit mean that somebody besides the hive starts or restarts it."""

import pytest

from hive.restarters import (
    OF_OTHERS,
    OWN_SETTINGS,
    SHOW,
    SHOWN,
    by_id,
    find_restarters,
    named_units,
    read_text,
)

UNIT = "systemd-nspawn@h-bob.service"
OURS = f"/run/systemd/system/{UNIT}.d/zz-hyperhive.conf"
FRAGMENT = "/usr/lib/systemd/system/systemd-nspawn@.service"
THEIRS = "/etc/systemd/system/systemd-nspawn@.service.d/zzz.conf"
HARMLESS = {
    "Id": UNIT,
    "UnitFileState": "static",
    **OWN_SETTINGS,
    **dict.fromkeys(OF_OTHERS, ""),
    "FragmentPath": FRAGMENT,
    "DropInPaths": f"{OURS} {THEIRS}",
}
TEXTS = {
    FRAGMENT: "[Service]\nRestart=on-failure\n",
    OURS: "[Service]\nRestart=no\nRestartForceExitStatus=\nSuccessExitStatus=\n",
}


def read(texts: dict[str, str]) -> object:
    return lambda path: {**TEXTS, **texts}.get(path, "")


def found(
    changes: dict[str, str],
    others: dict[str, dict[str, str]] | None = None,
    texts: dict[str, str] | None = None,
) -> list[str]:
    """Return what is found, as sentences."""
    unit = {**HARMLESS, **changes}
    return list(map(str, find_restarters(unit, others or {}, read(texts or {}))))  # type: ignore[arg-type]


def test_the_unit_with_our_drop_in_alone_is_fine() -> None:
    assert found({}) == []


def test_properties_that_systemd_does_not_have_are_no_finding() -> None:
    assert find_restarters({"Id": UNIT}, {}, lambda path: "") == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Restart", "always"),
        ("Restart", "on-failure"),
        ("RestartForceExitStatus", "133"),
        ("SuccessExitStatus", "133 SIGKILL"),
    ],
)
def test_a_setting_is_found_with_the_file_to_change(key: str, value: str) -> None:
    [sentence] = found({key: value}, texts={THEIRS: f"[Service]\n {key} = {value}\n"})
    assert sentence == (
        f"{UNIT} has {key}={value} from {THEIRS}: take it out of {THEIRS}, then 'systemctl "
        "daemon-reload'"
    )


def test_the_last_file_that_has_a_setting_is_the_one() -> None:
    [sentence] = found({"Restart": "on-failure", "DropInPaths": ""})
    assert FRAGMENT in sentence
    [sentence] = found({"Restart": "always"}, texts={OURS: "", THEIRS: "#Restart=always\n"})
    assert FRAGMENT in sentence, "a comment sets nothing"


def test_a_setting_of_no_file_is_found_nevertheless() -> None:
    [sentence] = found({"Restart": "always", "FragmentPath": "", "DropInPaths": ""})
    assert "take it out of its files" in sentence


@pytest.mark.parametrize(("key", "setting"), OF_OTHERS.items())
def test_another_unit_is_found_with_its_file(key: str, setting: str) -> None:
    other = {"keeper.target": {"Id": "keeper.target", "FragmentPath": "/etc/keeper.target"}}
    texts = {"/etc/keeper.target": f"[Unit]\n{setting}=a.service {UNIT}\n"}
    [sentence] = found({key: "keeper.target"}, other, texts)
    assert f"keeper.target has {setting}={UNIT} from /etc/keeper.target" in sentence
    assert "daemon-reload" in sentence


def test_another_unit_whose_file_does_not_name_it_has_a_link() -> None:
    other = {"a.target": {"Id": "a.target", "FragmentPath": "/usr/a.target"}}
    [sentence] = found({"WantedBy": "a.target"}, other)
    assert "a.target.wants or /usr/a.target" in sentence
    [sentence] = found({"BoundBy": "a.target"})
    assert "the files of a.target" in sentence


@pytest.mark.parametrize("state", ["enabled", "enabled-runtime"])
def test_an_enabled_unit_is_disabled_once(state: str) -> None:
    [sentence] = found({"UnitFileState": state, "WantedBy": "machines.target"})
    assert f"'systemctl disable {UNIT}'" in sentence


def test_an_enabled_unit_may_have_another_starter_beside() -> None:
    other = {"a.target": {"Id": "a.target", "FragmentPath": "/etc/a.target"}}
    sentences = found(
        {"UnitFileState": "enabled", "WantedBy": "a.target machines.target"},
        other,
        {"/etc/a.target": f"Wants={UNIT}"},
    )
    assert ["disable" in each for each in sentences] == [True, False]


@pytest.mark.parametrize("state", ["static", "disabled", "linked", "generated", "masked", ""])
def test_other_states_of_a_unit_file_start_nothing(state: str) -> None:
    assert found({"UnitFileState": state}) == []


def test_the_named_units_are_those_to_ask_for() -> None:
    unit = {**HARMLESS, "UpheldBy": "b.target a.target", "BoundBy": "a.target"}
    assert named_units(unit) == ["a.target", "b.target"]
    assert named_units(HARMLESS) == []


def test_the_command_asks_for_all_properties_and_parses_them() -> None:
    assert SHOW[2] == f"--property={','.join(SHOWN)}"
    assert by_id("Id=a\nRestart=no\n\nId=b\nUpheldBy=x=y\n\n") == {
        "a": {"Id": "a", "Restart": "no"},
        "b": {"Id": "b", "UpheldBy": "x=y"},
    }
    assert by_id("") == {}


def test_a_file_that_cannot_be_read_has_no_text() -> None:
    assert read_text("/nonexistent/file") == ""
