"""The stage of the end-to-end tests: a master behind a real sshd, and hosts that run the installed ``pacha``."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pacha.config.keys import KEYS
from tests.support.launcher import Launcher
from tests.support.mercurial import run_hg
from tests.support.sshd import Account, Sshd

PACHA = Path(sys.executable).with_name("pacha")
_OF_A_TRANSFER = re.compile(r" 100% +[0-9]+|^[0-9]+ files, .* all checked\.$")


@cache
def launcher() -> Launcher:
    """The one of this process of pytest."""
    made = Launcher()
    atexit.register(made.close)
    return made


#: Compares everything that a rebuild promises (rsync(1)); prints one line a difference.
RSYNC = ("rsync", "-rlptgoDHnc", "--delete", "--itemize-changes")


def messages(text: str) -> list[str]:
    """The lines of ``text``, but for those of a transfer."""
    return [line for line in text.splitlines() if not _OF_A_TRANSFER.search(line)]


@dataclass(frozen=True)
class Done:
    """What a run of pacha came to."""

    code: int
    out: str
    err: str

    def must(self, code: int = 0) -> Done:
        """Itself, if it ended with ``code``; a person never sees a traceback or a raw control byte."""
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.out[-2000:]}\n{self.err[-2000:]}"
        assert "Traceback" not in self.err + self.out, self.err
        assert not [c for c in self.err + self.out if c < " " and c not in "\n"]
        return self

    @property
    def lines(self) -> list[str]:
        """The lines on stderr, but for those of a transfer."""
        return messages(self.err)


@dataclass
class Host:
    """A machine: a state folder, a home, a temporary folder and a configuration of its own, below ``folder``."""

    stage: Stage
    folder: Path
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    program: Path = PACHA

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o755, exist_ok=True)
        for folder in (self.home, self.temporary):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.configure()

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Where staging folders are made; empty between runs."""
        return self.folder / "tmp"

    @property
    def config(self) -> Path:
        return self.folder / "pacha.conf"

    @property
    def memory(self) -> dict[str, object]:
        """What the state folder remembers."""
        found: dict[str, object] = json.loads((self.state / "memory.json").read_text())
        return found

    def configure(self, **settings: str) -> None:
        """Write the configuration; ``settings`` (``ssh_port`` is pacha.ssh.port) are added to what holds already."""
        known = {key.name.removeprefix("pacha.").replace(".", "_"): key.name for key in KEYS}
        self.settings.update({known[key]: text for key, text in settings.items()})
        both = {**self.stage.settings(), "pacha.hostname": self.name, **self.settings}
        self.config.write_text("[DEFAULT]\n" + "".join(f"{key} = {text}\n" for key, text in both.items()))

    def environment(self, **more: str) -> dict[str, str]:
        """What pacha is run with."""
        places = {
            "HOME": self.home,
            "PACHA_SSH": self.home / ".ssh",
            "PACHA_STATE": self.state,
            "PACHA_CONFIG": self.config,
            "TMPDIR": self.temporary,
        }
        return {**os.environ, **{key: str(place) for key, place in places.items()}, **more}

    def pacha(self, *arguments: str | bytes | Path, stdin: bytes | None = None, **more: str) -> Done:
        """Run it to its end; ``stdin`` None is the end of input at once, ``more`` goes into the environment."""
        command = [os.fsencode(word) for word in (self.program, *arguments)]
        environment = self.environment(**more)
        if more or self.program != PACHA or not launcher().fits(environment):
            done = subprocess.run(command, env=environment, input=stdin or b"", capture_output=True, timeout=120)
            return Done(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))
        code, out, err = launcher().run(command, environment, stdin or b"", 120)
        return Done(code, out.decode("utf-8"), err.decode("utf-8"))

    def start(
        self, *arguments: str | bytes | Path, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Begin a run, for the caller to end."""
        streams = {"stdin": stdin, "stdout": subprocess.DEVNULL, "stderr": stderr}
        return subprocess.Popen([self.program, *arguments], env=self.environment(), **streams)  # type: ignore[arg-type]

    def watch(self, *paths: Path) -> None:
        """Watch directories."""
        self.pacha("watch", *paths).must()

    def push(self, *arguments: str, code: int = 0) -> Done:
        """Push, which must end with ``code``."""
        return self.pacha("push", *arguments).must(code)

    def rebuild(self, *arguments: str | Path, code: int = 0) -> Done:
        """Rebuild this host without being asked, which must end with ``code``."""
        done = self.pacha("rebuild", self.name, "--yes", *arguments).must(code)
        left = os.listdir(self.temporary)
        assert left == [], f"the staging folder is still there: {left}"
        return done

    def forget(self) -> None:
        """Lose the state folder, as a machine that dies does."""
        if self.state.exists():
            shutil.rmtree(self.state)

    def repository(self, name: str) -> Path:
        """Where the master keeps the repository ``name``."""
        return self.stage.hosts / self.name / name

    def on_master(self) -> dict[str, str]:
        """The nodes of every repository that the master has, by its name (none before it is whole).

        Mercurial may compress the same revision to other bytes, so the file of the changelog does not tell.
        """
        found = {}
        named = (path for path in (self.stage.hosts / self.name).iterdir() if not path.name.startswith("."))
        for repository in sorted(path for path in named if path.is_dir()):
            is_whole = (repository / ".hg" / "store" / "00changelog.i").exists()
            log = ("log", "--hidden", "--template", "{node}\n")
            found[repository.name] = run_hg("-R", str(repository), *log) if is_whole else ""
        return found

    def verify_master(self) -> None:
        """Every repository of the master is whole, by the word of the system's own Mercurial."""
        for name in self.on_master():
            run_hg("-R", str(self.repository(name)), "verify")


@dataclass
class Stage:
    """A master: an account of its own on a real sshd, and the folder of hosts."""

    folder: Path
    server: Sshd
    account: Account

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    def settings(self, port: int | None = None) -> dict[str, str]:
        """What a configuration says of this master; a relay to it has another ``port``."""
        return {
            "pacha.host": self.server.address,
            "pacha.ssh.user": self.account.name,
            "pacha.ssh.port": str(port or self.server.port),
            "pacha.ssh.key": str(self.server.key),
            "pacha.ssh.known_hosts": str(self.server.known_hosts),
            "pacha.hosts.path": str(self.hosts),
            **({"pacha.ssh.command": command} if (command := os.environ.get("PACHA_SSH_COMMAND")) else {}),
        }

    def host(self, name: str = "bar", *, machine: str = "", added: bool = True) -> Host:
        """A machine that is ``name`` (``machine`` tells two of one name apart); its folder on the master is made."""
        host = Host(self, self.folder / (machine or name), name)
        if added:
            host.pacha("add-host", name, "--user", self.account.name).must()
        return host

    def resume(self, name: str) -> Host:
        """A machine of which there is a copy already."""
        return Host(self, self.folder / name, name)


@dataclass
class Alone:
    """A master that is a folder of this machine."""

    folder: Path

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    def settings(self) -> dict[str, str]:
        return {"pacha.host": "local", "pacha.hosts.path": str(self.hosts)}


def alone(folder: Path) -> Host:
    """A host that pushes to a folder."""
    return Host(Alone(folder), folder / "machine", "bar")  # type: ignore[arg-type]


@contextmanager
def on_stage(server: Sshd, account: Account) -> Iterator[Stage]:
    """A master without any host; its folder lies where the account can reach it, and is removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="pacha-stage-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield Stage(folder, server, account)
    finally:
        shutil.rmtree(folder)


def own(name: str) -> str:
    """``name`` for an account that two runs of the tests at once do not both make."""
    return f"{name}_{os.getpid()}"


def differences(one: Path, other: Path) -> str:
    """What rsync finds different between two trees, in either direction: nothing, if they are the same."""
    said = ""
    for left, right in ((one, other), (other, one)):
        done = subprocess.run([*RSYNC, f"{left}/", f"{right}/"], capture_output=True)
        said += done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
    return said


def picture(top: Path) -> dict[bytes, tuple[object, ...]]:
    """All that a tree is, by path: kind, mode, owner, group, time in nanoseconds, content, hard links."""
    found: dict[bytes, tuple[object, ...]] = {}
    names: dict[int, list[bytes]] = {}
    base = os.fsencode(top)
    for path in [base, *_walk(base)]:
        status = os.lstat(path)
        inside = path[len(base) + 1 :]
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            names.setdefault(status.st_ino, []).append(inside)
        found[inside] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, _content(path, status))
    for together in names.values():
        for inside in together:
            found[inside] = (*found[inside], tuple(sorted(together)))
    return found


def changed(before: Mapping[bytes, object], now: Mapping[bytes, object]) -> list[tuple[bytes, object, object]]:
    """What differs between two pictures: path, as it was, as it is."""
    both = sorted(before.keys() | now.keys())
    return [(path, before.get(path), now.get(path)) for path in both if before.get(path) != now.get(path)]


def copy(source: Path, target: Path) -> Path:
    """A copy of a tree with everything that belongs to it; returns ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--", source, target], check=True)
    return target


def said(done: Done, *parts: str) -> None:
    """The message of a failure: what, why, a hint (a line each, the first beginning ``pacha:``), each of ``parts``."""
    lines = done.lines
    assert lines and lines[0].startswith("pacha: "), done.err
    assert all(line.startswith(("pacha: ", "       ")) for line in lines), done.err
    for part in parts:
        assert part in done.err, f"{part!r} is not in:\n{done.err}"


@contextmanager
def small_disk(place: Path, size: str, options: Sequence[str] = ()) -> Iterator[Path]:
    """A file system of its own at ``place``, ``size`` (as tmpfs has it, see mount(8)) large."""
    place.mkdir(exist_ok=True)
    with_size = ",".join([f"size={size}", "mode=0755", *options])
    subprocess.run(["mount", "-t", "tmpfs", "-o", with_size, "pacha-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def as_lower_layer(place: Path) -> Iterator[None]:
    """Mount an overlay on the folder ``place``, with what is there as its lower layer."""
    with small_disk(place.with_name(f"{place.name}-layers"), "16m") as disk:
        lower = copy(place, disk / "lower")
        layers = [f"lowerdir={lower}"]
        for name in ("upper", "work"):
            (disk / name).mkdir()
            layers.append(f"{name}dir={disk / name}")
        subprocess.run(["mount", "-t", "overlay", "-o", ",".join(layers), "pacha-test", place], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def _walk(top: bytes) -> Iterator[bytes]:
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            yield os.path.join(folder, name)


def _content(path: bytes, status: os.stat_result) -> object:
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    return os.readlink(path) if stat.S_ISLNK(status.st_mode) else stat.S_IFMT(status.st_mode)
