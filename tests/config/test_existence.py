"""What a configuration names and the machine lacks."""

from pathlib import Path

import pytest

from hive.config import check
from hive.config.existence import LocalLookup
from hive.errors import ConfigError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hive.toml"
    path.write_text(text)
    return path


def test_a_file_whose_programs_exist_is_right(tmp_path: Path) -> None:
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n")
    (tmp_path / "agent.sh").chmod(0o755)
    text = (
        '[agents.alice]\nrun = ["./agent.sh"]\ncwd = "."\n[agents.bob]\nexec = ["sh", "-c", ""]\n'
    )
    config = check(written(tmp_path, text), LocalLookup())
    assert sorted(config.agents) == ["alice", "bob"]


def test_everything_that_is_missing_is_named_with_its_line(tmp_path: Path) -> None:
    text = """\
[agents.alice]
run = ["./agent.sh"]
cwd = "nowhere"

[agents.bob]
exec = ["no-such-program-here"]

[[agents.bob.bind]]
source = "data"
target = "/data"

[agents.bob.credentials]
token = "token"
"""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        check(path, LocalLookup())
    assert str(refused.value).splitlines() == [
        f"{path} has 5 problems:",
        f"  {path}:2: agents.alice.run: there is no program '{tmp_path}/agent.sh' that can be "
        "started; install it, or correct the path",
        f"  {path}:3: agents.alice.cwd: there is no directory {tmp_path}/nowhere; create it",
        f"  {path}:6: agents.bob.exec: there is no program 'no-such-program-here' on PATH that can "
        "be started; install it, or give its full path",
        f"  {path}:9: agents.bob.bind[0].source: there is no {tmp_path}/data; create it, mount "
        "what belongs there, or set create = true beside it",
        f"  {path}:13: agents.bob.credentials.token: there is no {tmp_path}/token; create the file",
    ]


@pytest.mark.parametrize("read_only", ["true", "false"])
def test_a_source_that_is_made_at_the_start_may_be_missing(tmp_path: Path, read_only: str) -> None:
    text = f"""\
runtime = "machinectl"
[agents.bob]
exec = ["x"]
[[agents.bob.bind]]
source = "data"
target = "/data"
read_only = {read_only}
create = true
"""
    [bind] = check(written(tmp_path, text), LocalLookup()).agents["bob"].binds
    assert bind.create
    assert not bind.source.exists(), "a check changes nothing"
    with pytest.raises(ConfigError, match=r"bind\[0\].source: there is no .*create = true"):
        check(written(tmp_path, text.replace("create = true", "")), LocalLookup())


def test_a_device_that_is_missing_is_named(tmp_path: Path) -> None:
    text = 'runtime = "machinectl"\n[agents.bob]\nexec = ["x"]\ndevices = ["/dev/null rw", "{}"]\n'
    assert check(written(tmp_path, text.format("/dev/zero")), LocalLookup()).agents
    with pytest.raises(ConfigError, match=r"4: agents.bob.devices\[1\]: there is no such device"):
        check(written(tmp_path, text.format("/dev/no-such-one rw")), LocalLookup())


def test_a_program_is_looked_up_on_the_path_of_its_agent(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mine").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "mine").chmod(0o755)
    text = f'[manager]\nrun = ["mine"]\nenv = {{ PATH = "{tmp_path}/bin" }}\n'
    assert check(written(tmp_path, text), LocalLookup()).manager is not None


def test_paths_inside_a_container_are_not_looked_for_here(tmp_path: Path) -> None:
    text = 'runtime = "machinectl"\n[agents.alice]\nexec = ["/opt/agent"]\ncwd = "/work"\n'
    assert check(written(tmp_path, text), LocalLookup()).agents


def test_a_wrong_key_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'exec'"):
        check(written(tmp_path, '[agents.alice]\nexek = ["none"]\n'), LocalLookup())


class WithoutPackages(LocalLookup):
    """A machine on which no extra is installed."""

    def package(self, name: str) -> bool:
        """Return False for any package."""
        return False


def test_a_driver_without_its_extra_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, '[agents.alice]\ndriver = "claude"\n')
    with pytest.raises(ConfigError, match=r"hive.toml:2: agents.alice.driver: the driver 'claude'"):
        check(path, WithoutPackages())
    inside = written(tmp_path, 'runtime = "machinectl"\n[agents.alice]\ndriver = "claude"\n')
    assert check(inside, WithoutPackages()).agents, "a container has packages of its own"
    other = written(tmp_path, '[agents.alice]\nexec = ["sh"]\n')
    assert check(other, WithoutPackages()).agents


def test_a_script_whose_interpreter_is_missing_is_told_like_a_missing_program(
    tmp_path: Path,
) -> None:
    (tmp_path / "agent.sh").write_text("#!/no/such/shell\n")
    (tmp_path / "agent.sh").chmod(0o755)
    path = written(tmp_path, '[agents.alice]\nexec = ["./agent.sh"]\n')
    with pytest.raises(ConfigError, match="there is no interpreter '/no/such/shell'"):
        check(path, LocalLookup())


def test_an_export_without_its_extra_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, '[otel]\nendpoint = "http://127.0.0.1:4318"\n')
    with pytest.raises(ConfigError, match=r"hive.toml:2: otel.endpoint: .*pip install .*\[otel\]'"):
        check(path, WithoutPackages())
    check(written(tmp_path, '[otel]\ninterval = "5s"\n'), WithoutPackages())


@pytest.mark.parametrize("key", ["needs_you", "done", "failed"])
def test_a_program_of_notices_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, f'[notices]\n{key} = ["./no-such-notifier"]\n')
    with pytest.raises(ConfigError, match=rf"hive.toml:2: notices.{key}: .*no-such-notifier"):
        check(path, LocalLookup())
    check(written(tmp_path, f'[notices]\n{key} = ["sh", "-c", "true"]\n'), LocalLookup())


@pytest.mark.parametrize(
    "hours", ["", "22-7", "22:00", "24:00-07:00", "22:60-07:00", "7:00-8:00", "07:00-07:00"]
)
def test_hours_that_are_none_are_refused(tmp_path: Path, hours: str) -> None:
    with pytest.raises(ConfigError, match=r"notices.quiet: .*such as .22:00-07:00."):
        check(written(tmp_path, f'[notices]\nquiet = "{hours}"\n'), LocalLookup())


@pytest.mark.parametrize("name", ["no_such_package", "no_such_package.inside", "attrs.no.such"])
def test_a_package_that_is_missing_is_none(name: str) -> None:
    assert not LocalLookup().package(name)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:4318", "ftp://host", "http://", "http://[", "http://host:port"]
)
def test_an_endpoint_that_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"otel.endpoint: .*give a URL such as"):
        check(written(tmp_path, f'[otel]\nendpoint = "{url}"\n'), LocalLookup())
