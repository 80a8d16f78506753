"""Loading of files: the resulting model, and the report of every mistake at once."""

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
        limits=Limits(100, 1 << 20, 4096, 1800.0),
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
        ("2", "colour", "no such key; the keys here are runtime, containers"),
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


def test_settings_that_the_runtime_does_not_support_are_refused(write):
    assert problems(write(CONTAINERS.replace("machinectl", "nixos-container"))) == [
        "FILE has 4 problems:",
        "FILE:3: containers: 'image' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
        "FILE:3: containers: 'network' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
        "FILE:3: containers: 'private_users' is for the runtime 'machinectl', "
        "and this hive's is 'nixos-container'",
        "FILE:11: agents: alice: 'image' is for the runtime 'machinectl', "
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
