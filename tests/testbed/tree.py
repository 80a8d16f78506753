"""Root directories for `systemd-nspawn` that hold nothing but configuration.

Programs and libraries are those of the machine itself: its /usr is bound over the empty one, read
only. So a root directory is made in milliseconds, takes a few kilobytes, and whatever Python runs
here runs there, too.
"""

import shutil
from pathlib import Path

_DIRECTORIES = (
    *("dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr"),
    *("var/lib", "var/log"),
)

_CONFIGURATION = (
    *("alternatives", "dbus-1", "group", "ld.so.cache", "nsswitch.conf", "os-release"),
    *("pam.d", "passwd", "ssl"),
)
"""What programs need from /etc. Not /etc/systemd, so no service of this machine is enabled."""

_NEEDLESS = ("*.gz", "certs")
"""What of it no test needs: alternatives of manual pages, and certificates, a file for each. All
of it is copied for each container."""

_GENERATORS = Path("/usr/lib/systemd/system-generators")
_NEEDED_GENERATOR = "systemd-getty-generator"
"""The only generator with something to do here. All run at each boot and each daemon-reload."""

_SLOW = (
    *("dev-hugepages.mount", "sys-fs-fuse-connections.mount"),
    *("systemd-journal-flush.service", "systemd-logind.service", "systemd-remount-fs.service"),
    *("systemd-sysusers.service", "systemd-tmpfiles-clean.timer", "systemd-tmpfiles-setup.service"),
    *("systemd-tmpfiles-setup-dev.service", "systemd-update-utmp-runlevel.service"),
    *("systemd-update-utmp.service", "systemd-user-sessions.service"),
)
"""Services that a container for tests can do without."""


def make_image(root: Path) -> None:
    """Make a root directory for containers inside the host, which boots as fast as can be.

    As in ordinary images, a getty asks for a login on the console: about a second after the boot it
    prints `NAME login: `, without a newline.
    """
    make_root(root, machine_id="")
    units = root / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in _SLOW:
        (units / unit).symlink_to("/dev/null")


def make_root(root: Path, *, machine_id: str) -> None:
    """Make a root directory in which systemd can be the first process.

    Args:
        root: Where; it must not exist.
        machine_id: Content of /etc/machine-id; empty lets each container have its own.
    """
    for directory in _DIRECTORIES:
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    for link in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        source = Path("/", link)
        if source.is_symlink():
            (root / link).symlink_to(source.readlink())
    for name in _CONFIGURATION:
        _copy(Path("/etc", name), root / "etc" / name)
    masks = root / "etc/systemd/system-generators"
    masks.mkdir(parents=True)
    for generator in _GENERATORS.iterdir():
        if generator.name != _NEEDED_GENERATOR:
            (masks / generator.name).symlink_to("/dev/null")
    # With a machine id it is no first boot, on which systemd would enable all it can find.
    (root / "etc/machine-id").write_text(machine_id and f"{machine_id}\n")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        needless = shutil.ignore_patterns(*_NEEDLESS)
        shutil.copytree(source, target, symlinks=True, ignore=needless)
    elif source.exists():
        shutil.copy2(source, target)
