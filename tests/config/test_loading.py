"""Loading of files: the resulting model, and the report of every mistake at once."""

import time
from pathlib import Path

import pytest

from hive.config import (
    AgentManifest,
    Bind,
    Containers,
    HiveConfig,
    Limits,
    Network,
    PeerConfig,
    RestartPolicy,
    RestartType,
    RuntimeName,
    load,
    load_manifest,
    read_manifest,
)
from hive.errors import ConfigError, ExitStatus

FULL = """
runtime = "process"

[limits]
inbox_messages = 100
inbox_bytes = "1M"
body_bytes = 4096
lease = "30m"

[restart]
restart = "transient"
max_restarts = 9
cap = "1m"

[manager]
run = ["./manager.sh"]

[agents.alice]
run = ["./alice.sh", "./stays"]
env = { EDITOR = "true" }
cwd = "work"
time_limit = "20m"
stop_timeout = 30
memory_max = "2G"
cpu_quota = "50%"
autostart = false
description = "answers"

[agents.alice.restart]
max_restarts = 2

[[agents.alice.bind]]
source = "data"
target = "/data"
read_only = true

[agents.bob]
exec = ["python3", "-m", "bob"]

[peers.damocles]
broadcast = true
description = "day job"
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "hive.toml"
        path.write_text(text)
        return path

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.exit_status is ExitStatus.CONFIG
    return [line.strip() for line in str(caught.value).replace(str(path), "FILE").split("\n")]


def test_a_whole_file(write, tmp_path):
    config = load(write(FULL))
    policy = RestartPolicy(RestartType.TRANSIENT, max_restarts=9, cap=60.0)
    assert config == HiveConfig(
        limits=Limits(
            inbox_messages=100, inbox_bytes=1 << 20, body_bytes=4096, lease_seconds=1800.0
        ),
        restart=policy,
        manager=AgentManifest(run=(str(tmp_path / "manager.sh"),)),
        agents={
            "alice": AgentManifest(
                run=(str(tmp_path / "alice.sh"), "./stays"),
                env={"EDITOR": "true"},
                cwd=tmp_path / "work",
                time_limit=1200.0,
                stop_timeout=30.0,
                restart=RestartPolicy(RestartType.TRANSIENT, max_restarts=2, cap=60.0),
                memory_max="2G",
                cpu_quota="50%",
                binds=(Bind(tmp_path / "data", Path("/data"), read_only=True),),
                autostart=False,
                description="answers",
            ),
            "bob": AgentManifest(exec=("python3", "-m", "bob")),
        },
        peers={"damocles": PeerConfig(broadcast=True, description="day job")},
    )
    assert list(config.all_agents()) == ["hm1nd", "alice", "bob"]


def test_an_empty_file_gives_the_defaults(write):
    assert load(write("")) == HiveConfig()


def test_paths_are_relative_to_the_file_also_under_a_relative_name(write, tmp_path, monkeypatch):
    write('[agents.a]\nrun = ["../a.sh"]\ncwd = "~/x"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    agent = load(Path("hive.toml")).agents["a"]
    assert agent.run == (str(tmp_path / "../a.sh"),)
    assert agent.cwd == Path("/home/me/x")


def test_every_problem_is_reported_with_its_line(write):
    found = problems(
        write(
            """\
runtime = "proces"
colour = 1
[limits]
lease = "15min"
[agents.alice]
run = ["./a.sh", 3]
time_limt = 3
[agents.alice.restart]
max_restarts = true
[[agents.alice.bind]]
source = "a"
[agents.Bob]
exec = ["x"]
[peers.operator]
"""
        )
    )
    assert found[0] == "FILE has 9 problems:"
    expected = [
        ("1", "runtime", "did you mean 'process'"),
        ("2", "colour", "no such key; the keys here are name, runtime, containers"),
        ("4", "limits.lease", "'15min' cannot stand here: expected a duration such as"),
        ("6", "agents.alice.run[1]", "3 cannot stand here: expected a string, not an integer"),
        ("7", "agents.alice.time_limt", "no such key; did you mean 'time_limit'"),
        ("9", "agents.alice.restart.max_restarts", "true cannot stand here: expected a whole"),
        ("10", "agents.alice.bind[0]", "the key 'target' is missing"),
        ("12", "agents.Bob", "'Bob' is no name"),
        ("14", "peers.operator", "the name 'operator' is reserved"),
    ]
    for line, (number, key, sentence) in zip(found[1:], expected, strict=True):
        assert line.startswith(f"FILE:{number}: {key}: ")
        assert sentence in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[agents.a]\n", "FILE:1: agents.a: a program is missing"),
        ('[agents.a]\nrun=["x"]\nexec=["y"]\n', "FILE:3: agents.a.exec: give 'run'"),
        ("[agents.a]\nrun=[]\n", "FILE:2: agents.a.run: [] cannot stand here: the first item"),
        ('[agents.a]\nrun="x"\n', "FILE:2: agents.a.run: 'x' cannot stand here: expected an array"),
        ('[agents.a]\ndriver="comand"\n', "did you mean 'command'"),
        ('[agents.hm1nd]\nrun=["x"]\n', "FILE:1: agents.hm1nd: the manager agent is described in"),
        ('[agents.abcdefghij]\nrun=["x"]\n', "has 10 characters"),
        ("[peers.hm1nd]\n", "FILE:1: peers.hm1nd: "),
        ('[agents.a]\nrun=["x"]\n[peers.a]\n', "FILE:3: peers: 'a' is an agent already"),
        ("agents = 3\n", "FILE:1: agents: 3 cannot stand here: expected a table of tables"),
        ("[peers]\na = 3\n", "FILE:2: peers.a: 3 cannot stand here: expected a table"),
        (
            "[restart]\nbase = 10\ncap = 5\n",
            "FILE:3: restart.cap: the longest delay (5 s) is below",
        ),
        ('[agents.a]\nrun=["x"]\ntime_limit="15m"\n', "the lease (900 s) must be longer than"),
        ('[agents.a]\nrun=["x"]\n[[agents.a.bind]]\nsource="/s"\ntarget="t"\n', "begins with '/'"),
        ('a = "\n', "FILE:1: "),
        ("a = 1\na = 2\n", "FILE:2: Cannot overwrite a value"),
    ],
)
def test_mistakes(write, text, sentence):
    found = problems(write(text))
    assert sentence in found[0]


@pytest.mark.parametrize(
    "written",
    [
        'env = "KEY=hunter2"',
        'env = ["KEY=hunter2"]',
        'env = { "KEY=hunter2" = "x" }',
        'env = { KEY = ["hunter2"] }',
        'claude = { mcp = { git = "hunter2" } }',
        'claude = { mcp = { git = { run = "hunter2" } } }',
        'claude = { mcp = { git = { url = "hunter2" } } }',
        'claude = { mcp = { git = { run = ["x"], env = "hunter2" } } }',
        'claude = { mcp = { git = { run = ["x"], env = { "K=hunter2" = 1 } } } }',
    ],
)
def test_no_mistake_quotes_what_may_be_a_secret(write, written):
    found = problems(write(f'[agents.a]\nrun = ["x"]\n{written}\n'))
    assert found[0].startswith("FILE:3: agents.a.")
    assert "expected" in found[0] or "KEY" in found[0] or "'K'" in found[0]
    assert "hunter2" not in str(found)


def test_a_mistake_in_the_hives_policy_is_reported_once(write):
    text = '[restart]\nfactor = 0.5\n[agents.a]\nrun = ["x"]\n[agents.a.restart]\ncap = "1m"\n'
    [found] = problems(write(text))
    assert found.startswith("FILE:2: restart.factor: 0.5 cannot stand here")


def test_files_that_cannot_be_read(tmp_path):
    assert "No such file" in problems(tmp_path / "hive.toml")[0]
    assert "Is a directory" in problems(tmp_path)[0]
    binary = tmp_path / "hive.toml"
    binary.write_bytes(b"a = '\xff'")
    assert problems(binary) == ["FILE: not UTF-8 at byte 5; save it as UTF-8"]


def test_a_standalone_manifest_inherits_from_the_given_policy(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text('run = ["./a.sh"]\n[restart]\nmax_restarts = 1\n')
    base = RestartPolicy(cap=99.0)
    manifest = load_manifest(path, base)
    assert manifest.run == (str(tmp_path / "a.sh"),)
    assert manifest.restart == RestartPolicy(max_restarts=1, cap=99.0)
    assert load_manifest(path).restart == RestartPolicy(max_restarts=1)


CONTAINERS = """
runtime = "machinectl"
[containers]
image = "./base.tar"
programs = "/opt/hive/bin"
network = "veth"
private_users = true
[[containers.bind]]
source = "/srv"
target = "/srv"
[agents.alice]
run = ["answer"]
image = "big-image"
private_users = false
"""


def test_containers_are_described_for_the_hive_and_for_an_agent(write):
    path = write(CONTAINERS)
    config = load(path)
    assert config.runtime is RuntimeName.MACHINECTL
    assert config.containers == Containers(
        image=str(path.parent / "base.tar"),
        programs=Path("/opt/hive/bin"),
        network=Network.VETH,
        private_users=True,
        binds=(Bind(Path("/srv"), Path("/srv")),),
    )
    assert config.agents["alice"].image == "big-image"
    assert config.agents["alice"].private_users is False


@pytest.mark.parametrize(
    ("runtime", "hive", "agent", "shared"),
    [
        ("machinectl", None, None, False),
        ("machinectl", None, False, True),
        ("machinectl", False, None, True),
        ("machinectl", False, True, False),
        ("nixos-container", None, None, True),
        ("process", None, None, False),
    ],
)
def test_root_in_a_container_is_root_of_the_host_only_if_the_configuration_says_so(
    runtime, hive, agent, shared
):
    containers = Containers(private_users=hive)
    config = HiveConfig(RuntimeName(runtime), containers)
    assert config.shares_users(AgentManifest(private_users=agent)) is shared


def test_settings_that_the_runtime_does_not_support_are_refused(write):
    assert problems(write(CONTAINERS.replace("machinectl", "nixos-container"))) == [
        "FILE has 5 problems:",
        "FILE:4: containers.image: 'image' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
        "FILE:6: containers.network: the network 'veth' is for the runtime 'machinectl'; "
        "under 'nixos-container' agents use that of the host",
        "FILE:7: containers.private_users: 'private_users' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
        "FILE:13: agents.alice.image: 'image' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
        "FILE:14: agents.alice.private_users: 'private_users' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
    ]
    without = "[containers]\nimage = 'base'\n"
    assert problems(write(without)) == [
        "FILE:1: containers: the runtime 'process' has none; choose another 'runtime'"
    ]


def test_a_runtime_that_does_not_exist_is_refused_with_the_nearest(write):
    [problem] = problems(write("runtime = 'machinctl'\n"))
    assert "did you mean 'machinectl'?" in problem


@pytest.mark.parametrize("flake", ["''", "'a b'"])
def test_a_flake_is_one_word(write, flake):
    [problem] = problems(write(f"runtime = 'nixos-container'\n[containers]\nflake = {flake}\n"))
    assert "expected a flake" in problem


# Texts of a hostile manager


@pytest.mark.parametrize(
    "text", ["exec = " + "[" * 3000, "a" + ".a" * 3000 + " = 1", "x = {" * 2000]
)
def test_a_text_that_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_manifest(text, Path("/agent.toml"))


def test_of_very_many_problems_the_first_are_told() -> None:
    text = "".join(f"x_{number} = 1\n" for number in range(7000))
    with pytest.raises(ConfigError, match="has 7000 problems") as refused:
        read_manifest(text, Path("/agent.toml"))
    lines = str(refused.value).splitlines()
    assert (len(lines), lines[-1].strip()) == (52, "and 6950 more")


def test_a_value_over_very_many_lines_is_read_in_a_short_time() -> None:
    """The line of a problem is found by parsing, which a text may not make expensive."""
    text = "exec = [\n" + '"a",\n' * 12_000 + "]\nunknown = 1\n"
    begun = time.process_time()
    with pytest.raises(ConfigError, match="unknown"):
        read_manifest(text, Path("/agent.toml"))
    assert time.process_time() - begun < 5


def test_the_line_of_a_problem_is_told_after_values_over_many_lines() -> None:
    text = 'exec = [\n"a",\n"b",\n]\nunknown = 1\n'
    with pytest.raises(ConfigError, match=r"agent\.toml:5: unknown"):
        read_manifest(text, Path("/agent.toml"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'ports = ["80:90:100"]',
            "agents.a.ports[0]: '80:90:100' cannot stand here: expected a port",
        ),
        ('ports = ["0"]', "expected a port"),
        ('ports = ["tcp:70000"]', "expected a port"),
        ('groups = ["@team"]', "agents.a.groups[0]: "),
        ('project = "two words"', "expected one word"),
        ('credentials = { "a/b" = "x" }', "'a/b' cannot name a credential"),
        ("credentials = { token = 3 }", "expected a string"),
        ('credentials = "x"', "expected a table of paths"),
        ('network = "bridge"', "expected one of host, private, veth"),
    ],
)
def test_mistakes_in_the_manifest(write, line, sentence):
    [found] = problems(write(f'[agents.a]\nrun = ["x"]\n{line}\n'))
    assert found.startswith("FILE:3: agents.a.")
    assert sentence in found


def test_credentials_are_files_beside_the_manifest(write, tmp_path):
    config = load(write('[agents.a]\nrun = ["x"]\n[agents.a.credentials]\ntoken = "t"\nk = "/k"\n'))
    assert config.agents["a"].credentials == {"token": tmp_path / "t", "k": Path("/k")}


def test_a_byte_order_mark_is_left_out(tmp_path):
    file = tmp_path / "hive.toml"
    file.write_bytes(b'\xef\xbb\xbf[agents.alice]\nrun = ["cat"]\n')
    assert list(load(file).agents) == ["alice"]


@pytest.mark.parametrize("name", ["lab", "L", "the lab \u2013 upstairs", "x" * 40])
def test_a_hive_may_have_a_name(write, name):
    assert load(write(f'name = "{name}"')).name == name
    assert load(write("")).name is None


@pytest.mark.parametrize(
    "name", ["", " ", " lab", "x" * 41, "two\\nlines", "\u202elab", "\\u001b[2J"]
)
def test_a_name_that_would_spoil_a_title_is_refused(write, name):
    (problem,) = problems(write(f'name = "{name}"'))
    assert problem.startswith("FILE:1: name: ")
    assert problem.endswith('give a name of 1 to 40 printable characters, such as "lab"')
