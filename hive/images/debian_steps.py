"""What makes an image of Debian: the command lines, in order. Pure.

debootstrap makes the base system. mmdebstrap is faster, and needs apt on the host; mkosi needs a
recent systemd and has another language in each version. debootstrap is a shell script that Debian,
Ubuntu, Fedora, Arch and openSUSE package, so one way serves every host.

Each command runs in namespaces of its own: when it ends or is killed, its processes and mounts end
with it, and the directory can be removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

from hive.images.own_wheel import Wheel

PROGRAMS = ("debootstrap", "unshare", "setpriv")
"""What has to be on PATH of the host."""

PACKAGES = ("systemd-sysv", "libpam-systemd", "dbus", "python3-venv", "git", "ca-certificates")
"""Packages of Debian in each image, beside the smallest base system."""

INSTALLERS = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
}
"""What installs a package, by the program that shows that it is there."""

WORK = Path("/var/tmp/hyperhive-image")  # noqa: S108 (in the new tree, which only root can reach)
"""Directory inside for what the steps need; the last of them removes it."""

VENV = Path("/opt/hyperhive")
"""Where the harness is, inside."""

CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Variables that name a file of certificates, of which the steps inside get a copy."""

PASSED_ON = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
"""Variables that the steps inside get: how apt and pip reach their servers."""

NO_MIRROR = "none"
WITHOUT_UPDATES = ("sid", "unstable")

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ALONE = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
_QUICK = ("env", "DPKG_FORCE=unsafe-io")
"""Lets dpkg leave out the sync of each file: what is not whole at the end is removed anyway."""

_TIDY = f"""\
apt-get clean
rm -rf /var/lib/apt/lists/* {WORK} /etc/hostname /var/lib/dbus/machine-id
: >/etc/machine-id"""
"""Leaves nothing of the host's name, and lets each container have a machine id of its own."""


_CHECK = """\
test -x /sbin/init
test -x /usr/bin/dbus-daemon
git --version
sync --file-system /
hive-ag3nt --version"""
"""Ends with the version. The image is on disk before it gets its name."""


@frozen
class DebianImage:
    """What is asked for.

    Attributes:
        suite: Code name of a release of Debian.
        mirror: Address of the archive; None for that of debootstrap.
        security_mirror: Address of the archive of security updates, or `NO_MIRROR`; None for the
            one beside the archive.
        extras: Extras that the harness is installed with.
        packages: Further packages of Debian.
    """

    suite: str
    mirror: str | None = None
    security_mirror: str | None = None
    extras: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


@frozen
class ImageStep:
    """One command line.

    Attributes:
        what: What it does, as a progress line says it.
        argv: The command line.
    """

    what: str
    argv: tuple[str, ...]


def base_step(image: DebianImage, root: Path) -> ImageStep:
    """Return what makes the base system. It refuses an archive whose signature it cannot check."""
    included = ",".join((*PACKAGES, *image.packages))
    options = ("--variant=minbase", "--force-check-gpg", f"--include={included}")
    mirror = () if image.mirror is None else (image.mirror,)
    argv = (*_ALONE, *_QUICK, "debootstrap", *options, image.suite, str(root), *mirror)
    return ImageStep(f"base system of Debian {image.suite}, from debootstrap", argv)


def sources(image: DebianImage, written: str) -> str:
    """Return the text of `sources.list`, with the updates of a release.

    Args:
        image: What is asked for.
        written: The text that debootstrap has written: `deb MIRROR SUITE main`.
    """
    first = written.strip().splitlines()[0]
    if image.suite in WITHOUT_UPDATES:
        return f"{first}\n"
    mirror = first.split()[1]
    lines = [first, f"deb {mirror} {image.suite}-updates main"]
    security = image.security_mirror or f"{mirror.rstrip('/')}-security"
    if security != NO_MIRROR:
        lines.append(f"deb {security} {image.suite}-security main")
    return "".join(f"{line}\n" for line in lines)


def further_steps(
    image: DebianImage, root: Path, wheel: Wheel, environment: Mapping[str, str]
) -> Iterator[ImageStep]:
    """Yield what is run in the base system, in order; the last command prints the version.

    Args:
        image: What is asked for.
        root: The tree.
        wheel: What the harness is installed from; `WORK` inside has a copy.
        environment: Variables for all commands.
    """

    def step(what: str, *argv: str) -> ImageStep:
        return ImageStep(what, (*_inside(root, environment), *argv))

    shell = ("/bin/sh", "-euc")
    update = "apt-get --quiet update && apt-get --quiet --yes upgrade"
    yield step("updates of Debian", *shell, update)
    extras = f"[{','.join(image.extras)}]" if image.extras else ""
    pip = f"{VENV}/bin/pip --disable-pip-version-check install --quiet --no-cache-dir"
    programs = f"{VENV}/bin/hive-ag3nt {VENV}/bin/hive-m1nd"
    install = (
        f"python3 -m venv {VENV}\n"
        f"{pip} '{WORK / wheel.path.name}{extras}'\n"
        f"ln -s {programs} /usr/local/bin/"
    )
    yield step(f"the harness, hyperhive {wheel.version}{extras}", *shell, install)
    yield step("tidying", *shell, _TIDY)
    yield step("check", *shell, _CHECK)


def inner_environment(environ: Mapping[str, str], certificates: Iterable[str]) -> dict[str, str]:
    """Return the variables for the commands inside.

    Args:
        environ: Those of this program.
        certificates: The variables of which `WORK` has a file; see `CERTIFICATES`.
    """
    own = {
        "PATH": _PATH,
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "DPKG_FORCE": "unsafe-io",
    }
    passed_on = {name: environ[name] for name in PASSED_ON if name in environ}
    return own | passed_on | {name: str(WORK / name) for name in certificates}


def how_to_install(program: str, present: Iterable[str]) -> str:
    """Return the sentence about a missing program.

    Args:
        program: Its name.
        present: Which of `INSTALLERS` this machine has.
    """
    package = program if program == "debootstrap" else "util-linux"
    commands = [f"'{INSTALLERS[name]} {package}'" for name in present]
    how = " or ".join(commands) or "the package manager of this machine"
    return f"{program} is missing on PATH; install the package {package}: {how}"


def _inside(root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    variables = [f"{name}={value}" for name, value in environment.items()]
    namespaces = (*_ALONE, "--mount-proc", f"--root={root}", "--wd=/")
    return (*namespaces, "--", "/usr/bin/env", "-i", *variables)
