"""A real guest that asks for a reboot as soon as it is up."""

from tests.systemd.scenarios.hives import ContainerHive, shown, unit

RESTLESS = """
[agents.restless]
exec = ["/bin/sh", "-c", "echo once more; systemctl reboot --force; exec sleep 1000"]
[agents.restless.restart]
max_restarts = 1
within = "10m"
base = "100ms"
jitter = 0
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; echo bob here"]
"""


def test_a_guest_that_only_reboots_is_parked_with_the_reason(hive: ContainerHive) -> None:
    hive.configure(RESTLESS)
    hive.start()
    row = hive.until_state("restless", "failed", within=120)
    assert row["reason"] == "rebooted from inside more than 8 times within 600 s"
    assert row["last_lines"][-1] == "once more"
    events = [e["event"] for e in hive.json("events", "-n", "200") if e.get("name") == "restless"]
    assert (events.count("rebooted"), events.count("ended"), events.count("failed")) == (8, 2, 1)
    assert shown(unit("restless"), "ActiveState") == "failed", "it is not started again"
    assert hive.state("bob") == "running"
