"""A machine with accounts of its own: a root folder in a private mount namespace, so that the real /etc is safe."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.stage import PACHA, Done

_MODULES = f"{sys.base_prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARIES = [str(path) for name in ("*-linux-gnu*", "locale", "ssl") for path in sorted(Path("/usr/lib").glob(name))]
_PYTHON = [sys.base_prefix] if sys.base_prefix != "/usr" else [_MODULES]
#: Seen inside the machine as they are outside, but not to be written. Only what its programs need: a rebuild looks at
#: each path of the machine whose owner it may have to change.
_PROGRAMS = tuple(
    path
    for path in (
        *("/usr/bin", "/usr/sbin", "/usr/lib64", *_LIBRARIES, "/proc"),
        *(sys.prefix, *_PYTHON, f"{Path(__file__).parents[2]}/pacha"),
    )
    if os.path.isdir(path)
)
_SHARED = ("/dev", *_PROGRAMS)
#: For a machine with disks of its own: a /dev to which links can be added.
BARE = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", *_PROGRAMS)
#: What is empty inside, of what is shared.
_EMPTY = tuple(path for path in (f"{_MODULES}/site-packages", f"{_MODULES}/test") if os.path.isdir(path))
_ETC = ("ld.so.cache", "login.defs", "nsswitch.conf", "default/useradd", "pam.d", "security")
_ENTER = """
set -e
root=$1; shift
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; touch "$root$1"; fi
    mount --bind "$1" "$root$1"
    mount -o remount,bind,ro "$root$1" 2>/dev/null || :
    shift
done
shift
while [ "$1" != -- ]; do
    mount -t tmpfs -o ro tmpfs "$root$1"
    shift
done
shift
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class Person:
    """One line of passwd(5) and one of group(5), of the same name."""

    name: str
    number: int
    home: str = "/nowhere"
    shell: str = "/bin/sh"


@dataclass
class Machine:
    """A root folder with Pacha, a master in the folder ``/master`` and ``people`` in its account files."""

    root: Path
    people: Sequence[Person] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    shared: Sequence[str] = _SHARED

    def __post_init__(self) -> None:
        for folder in ("etc", "master", "srv", "opt", "var", "home"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "tmp").mkdir()
        (self.root / "tmp").chmod(0o1777)
        for name in ("bin", "sbin", "lib", "lib64"):
            if os.path.islink(f"/{name}"):
                (self.root / name).symlink_to(os.readlink(f"/{name}"))
        for name in _ETC:
            if os.path.exists(f"/etc/{name}"):
                (self.root / "etc" / name).parent.mkdir(exist_ok=True)
                subprocess.run(["cp", "-a", f"/etc/{name}", self.root / "etc" / name], check=True)
        self.populate(*self.people)
        text = "[DEFAULT]\npacha.host = local\npacha.hosts.path = /master\npacha.hostname = bar\n"
        (self.root / "pacha.conf").write_text(text)

    def populate(self, *people: Person) -> None:
        """Write passwd and group anew: root, nobody and ``people``."""
        every = [Person("root", 0, "/root"), Person("nobody", 65534), *people]
        etc = self.root / "etc"
        (etc / "passwd").write_text("".join(f"{p.name}:x:{p.number}:{p.number}::{p.home}:{p.shell}\n" for p in every))
        (etc / "group").write_text("".join(f"{p.name}:x:{p.number}:\n" for p in every))
        for name in ("shadow", "gshadow"):
            (etc / name).write_text("".join(f"{p.name}:*:::\n" for p in every) if name == "gshadow" else "")
            (etc / name).chmod(0o600)

    def run(self, *command: str | Path, number: int | None = None) -> Done:
        """Run a command inside to its end, as root or as the user and group ``number``."""
        if number is not None:
            command = ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", "--", *command)
        shared = (*self.shared, "--", *_EMPTY)
        entering = ["unshare", "--mount", "sh", "-c", _ENTER, "sh", self.root, *shared, "--", *command]
        places = {"PACHA_STATE": "/state", "PACHA_CONFIG": "/pacha.conf", "TMPDIR": "/tmp", "HOME": "/root"}
        paths = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HGRCPATH": "", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            entering,
            env={**places, **paths, **self.environment},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
        )
        return Done(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    def pacha(self, *arguments: str | Path, code: int | None = 0, number: int | None = None) -> Done:
        """Run pacha inside; it must end with ``code`` (None: with or without something to look at)."""
        done = self.run(PACHA, *arguments, number=number)
        return done.must((done.code if done.code == 3 else 0) if code is None else code)

    def lose(self, *folders: str) -> None:
        """Remove folders, and what Pacha knew here."""
        for folder in (*folders, "/state"):
            shutil.rmtree(f"{self.root}{folder}", ignore_errors=True)

    def write(
        self, path: str, owner: int = 0, group: int = 0, mode: int = 0o644, text: str = "x\n", folder: bool = False
    ) -> Path:
        """Make a file, or a ``folder``, with the folders above it."""
        made = self.at(path)
        made.parent.mkdir(parents=True, exist_ok=True)
        if folder:
            made.mkdir()
        else:
            made.write_text(text)
        os.chown(made, owner, group)
        made.chmod(mode)
        return made

    def at(self, path: str) -> Path:
        """Where ``path`` inside is outside."""
        return Path(f"{self.root}{path}")

    def whose(self, path: str) -> tuple[int, int, str]:
        """Owner, group and the twelve mode bits in octal."""
        status = os.lstat(self.at(path))
        return status.st_uid, status.st_gid, f"{stat.S_IMODE(status.st_mode):04o}"
