"""Values that only containers have: each is read as written, or refused with an example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.config import HiveConfig, RuntimeName, manifest_from_json, manifest_to_json
from hive.config.container_kinds import CAPABILITIES, CAPABILITY, DEVICE, INTERFACE, TMPFS, is_read
from hive.config.loading import read_manifest
from hive.config.table_schema import ValueKind
from hive.errors import ConfigError

MACHINECTL = HiveConfig(RuntimeName.MACHINECTL)


def manifest(lines: str) -> str:
    return f'exec = ["x"]\n{lines}\n'


def test_all_of_them_are_read_and_kept() -> None:
    text = manifest("""
network = "veth"
bridge = "br0"
capabilities = ["CAP_NET_ADMIN", "CAP_SYS_PTRACE"]
devices = ["/dev/kvm", "/dev/net/tun rw"]
tmpfs = ["/scratch:size=2G,mode=0700", "/var/cache/a.b"]
ephemeral = true
start_timeout = "4m"
[[bind]]
source = "/srv/data"
target = "/data"
create = true
""")
    found = read_manifest(text, Path("/agent.toml"), MACHINECTL)
    assert found.capabilities == ("CAP_NET_ADMIN", "CAP_SYS_PTRACE")
    assert found.devices == ("/dev/kvm", "/dev/net/tun rw")
    assert (found.bridge, found.ephemeral, found.start_timeout) == ("br0", True, 240.0)
    assert found.binds[0].create
    assert manifest_from_json(manifest_to_json(found)) == found
    stored = json.loads(manifest_to_json(found))
    assert stored["tmpfs"] == ["/scratch:size=2G,mode=0700", "/var/cache/a.b"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('capabilities = ["CAP_NET_ADMN"]', r"did you mean 'CAP_NET_ADMIN'"),
        ('capabilities = ["all"]', r"capabilities\[0\]: 'all' cannot stand here"),
        ('devices = ["kvm"]', r'devices\[0\]: .*expected a device such as "/dev/kvm"'),
        ('devices = ["/etc/passwd rw"]', "expected a device"),
        ('devices = ["/dev/../etc/passwd"]', "expected a device"),
        ('devices = ["/dev/kvm x"]', "expected a device"),
        ('tmpfs = ["scratch"]', r'tmpfs\[0\]: .*expected a plain path inside, as "/scratch"'),
        ('tmpfs = ["/a b"]', "expected a plain path"),
        ('tmpfs = ["/a:size=$(reboot)"]', "expected a plain path"),
        ('network = "veth"\nbridge = "a bridge"', 'such as "br0"'),
        ('network = "veth"\nbridge = "longer-than-the-kernel-allows"', 'such as "br0"'),
        ("ephemeral = 1", "expected true or false"),
        ('start_timeout = "0s"', "may not be zero"),
        ('[[bind]]\nsource = "/a\\nBind=/"\ntarget = "/b"', r"source: .*control characters"),
        ('[[bind]]\nsource = "/a"\ntarget = "/b\\n"', r"target: .*control characters"),
        ('[[bind]]\nsource = "/a"\ntarget = "/b "', r"target: .*may not end in white space"),
        ('[[bind]]\nsource = "/a"\ntarget = "/b"\ncreate = "yes"', "expected true or false"),
        ('cwd = "/a\\nExecStart=/bin/sh"', "cwd: .*control characters"),
    ],
)
def test_what_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_manifest(manifest(line), Path("/agent.toml"), MACHINECTL)


@pytest.mark.parametrize("kind", [DEVICE, TMPFS, INTERFACE, CAPABILITY])
@given(st.text(max_size=40) | st.sampled_from(["/dev/kvm", "/a:size=1", "br0", *CAPABILITIES]))
def test_what_is_read_is_one_word_or_two_in_a_generated_file(kind: ValueKind, value: str) -> None:
    if is_read(kind, value):
        assert re.fullmatch(r"[\w/.:=,%-]+( [rwm]+)?", value, re.ASCII)
