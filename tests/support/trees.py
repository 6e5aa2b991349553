"""Trees of everything that a Linux file system can hold, grown from a seed; and whether two of them are equal."""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sshd import Account

LARGE = 16 * 1024 * 1024  #: bytes; what is larger is kept in parts
LEVELS = 500
NAMELESS = (54321, 54322)  #: users and groups that no account has
ODD_NAMES = (
    b"new\nline", b"carriage\rreturn", b"escape\x1b]0;title\x07\x1b[31m", b"quote'\"`$(touch x);|&", b"-rf", b"--help",
    b"x" * 255, b"\xc3\xa9" * 127, b"not utf-8 \xff\xfe\x80", b".hg", b".HG", b"hg~1", b"HG8B6C~2", b".hgsub",
    b".hgsubstate", b".hgtags", b".hgignore", b".pacha", b".pacha%", b".pacha%41", b".PACHA", b".h\xe2\x80\x8cg",
    b"con", b"aux", b"nul.txt", b"com1", b"trailing dot.", b"trailing space ", b" ", b"~", b"a:b", b"back\\slash",
    b"%41", b"\\n", b"glob*?[a]", b"caf\xc3\xa9", b"cafe\xcc\x81", b"\xe2\x80\xae right to left", b"\x7f", b"\x01",
    b"\xc2\x9b31m",
)  # fmt: skip
MODES = (0o644, 0o600, 0o755, 0o4755, 0o2755, 0o6711, 0o1644, 0o000, 0o400, 0o004, 0o7777, 0o2644)
FOLDER_MODES = (0o755, 0o700, 0o2770, 0o1777, 0o555, 0o000, 0o3775, 0o4711)
#: nanoseconds since the epoch: its beginning and before it, the ends of 32 bits, far from now
TIMES = (
    0, 1, -1, -86_400_000_000_001, 999_999_999, 2**31 * 10**9 - 1, 2**31 * 10**9, 4_102_444_800_123_456_789,
    10_413_792_000_000_000_007, 1_700_000_000_000_000_001,
)  # fmt: skip
TARGETS = (
    b"nowhere/at all",
    b"/etc/hostname",
    b"..",
    b".",
    b"loop",
    b"a\nb",
    b"\xff",
    b"-rf",
    b"//",
    b"a" * 1000,
    b"x/" * 1500,
)
CAPABILITIES = ("cap_net_raw+ep", "cap_net_bind_service+eip", "cap_chown,cap_fowner+p")
#: letters of chattr(1) that every file system of the tests knows and that root can set and clear
FLAGS = "dAiaS"


@dataclass(frozen=True)
class People:
    """Accounts of the machine, each with a group of its own."""

    all: tuple[Account, ...]

    def uids(self) -> list[int]:
        return [0, *NAMELESS, *(one.uid for one in self.all)]

    def gids(self) -> list[int]:
        return [0, *NAMELESS, *(one.gid for one in self.all)]


@dataclass
class Gardener:
    """Grows a tree below each of ``beds`` (they share ``top``) and changes it; the same seed does the same."""

    top: Path
    beds: Sequence[Path]
    people: People
    seed: int
    chance: random.Random = field(init=False)
    flagged: dict[bytes, str] = field(default_factory=dict)  #: what got inode flags, and which
    sockets: set[bytes] = field(default_factory=set)
    count: int = 0
    _near: list[bytes] | None = None

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    # -- growing

    def plant(self, *, large: bool = True) -> None:
        """Make everything once, then some more at random; with ``large`` also what takes its time."""
        for bed in self.beds:
            bed.mkdir(parents=True)
        if large:
            self.write(os.path.join(os.fsencode(self.beds[0]), b"large"), self.chance.randbytes(LARGE + 4097))
            self._deep(self.beds[0])
        for number, bed in enumerate(self.beds):
            folders = [self.folder(os.fsencode(bed)) for _ in range(4)]
            for folder in folders:
                self.folder(folder)
            self._every_kind(os.path.join(os.fsencode(bed), b"kinds"))
            if number == 0:
                self._odd_names(os.path.join(os.fsencode(bed), b"odd"))
                self._repositories(bed)
            self._near = self.changeable()
            for _ in range(25):
                self.chance.choice((self.file, self.file, self.link, self.special, self.folder))(self.some_folder())
        self._near = self.changeable()
        for _ in range(6):
            self.hard_link(across=True)
        self._near = None
        self.finish()

    def finish(self) -> None:
        """Metadata of what has got none yet: modes of folders last, as nothing but root could go on."""
        for path in reversed(self.changeable()):
            if self.chance.random() < 0.4:
                self.chance.choice((self.own, self.acl, self.xattr, self.time, self.time, self.mode))(path)

    def _every_kind(self, place: bytes) -> None:
        os.mkdir(place)
        for number, content in enumerate((b"", b"small\n", b"dos\r\nlines\r\n", bytes(range(256)) * 300)):
            self.write(b"%s/file %d" % (place, number), content)
        for number, mode in enumerate(MODES):
            self.write(b"%s/mode %04o" % (place, mode), b"%d" % number, mode, self.chance.choice(self.people.uids()))
        for mode in FOLDER_MODES:
            folder = b"%s/folder %04o" % (place, mode)
            os.mkdir(folder)
            self.write(folder + b"/in it", b"x")
            os.chown(folder, self.chance.choice(self.people.uids()), self.chance.choice(self.people.gids()))
            os.chmod(folder, mode)
        for number, target in enumerate(TARGETS):
            os.symlink(target, b"%s/link %d" % (place, number))
            os.chown(b"%s/link %d" % (place, number), *NAMELESS, follow_symlinks=False)
        os.mkdir(place + b"/empty")
        os.mkfifo(place + b"/fifo", 0o620)
        os.mknod(place + b"/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(place + b"/disk", stat.S_IFBLK | 0o640, os.makedev(259, 70000))
        self.socket(place + b"/socket")
        for number, time in enumerate(TIMES):
            self.write(b"%s/time %d" % (place, number), b"")
            os.utime(b"%s/time %d" % (place, number), ns=(0, time))
        for other in (b"/link 0", b"/fifo", b"/null", b"/file 1"):
            os.link(place + other, place + other + b" again", follow_symlinks=False)
        self.sparse(place + b"/sparse")
        for number, capability in enumerate(CAPABILITIES):
            self.write(b"%s/capable %d" % (place, number), b"#!", 0o755, self.chance.choice(self.people.uids()))
            run("setcap", capability, b"%s/capable %d" % (place, number))
        for letter in FLAGS:
            self.write(b"%s/flag %s" % (place, letter.encode()), b"x")
            self.flag(b"%s/flag %s" % (place, letter.encode()), letter)
        os.mkdir(place + b"/flag D")
        self.flag(place + b"/flag D", "D")
        self.xattr(place + b"/file 1")
        self.acl(place + b"/file 2")
        self.acl(place + b"/empty")
        os.setxattr(place + b"/link 1", "trusted.of a link", b"1", follow_symlinks=False)

    def _odd_names(self, place: bytes) -> None:
        os.makedirs(place + b"/folders")
        for name in ODD_NAMES:
            self.write(os.path.join(place, name), name)
            os.mkdir(os.path.join(place + b"/folders", name))
            self.write(os.path.join(place + b"/folders", name, name), name)
        bed = os.path.dirname(place)
        for name in (b".hg", b".hgsub", b".hgtags", b".hgsubstate", b".pacha"):
            self.write(os.path.join(bed, name), name)

    def _repositories(self, bed: Path) -> None:
        quiet = {
            "env": {"PATH": os.environ["PATH"], "HOME": str(bed), "HGRCPATH": ""},
            "check": True,
            "capture_output": True,
        }
        subprocess.run(["hg", "init", bed / "a hg"], **quiet)  # type: ignore[call-overload]
        (bed / "a hg" / "file").write_bytes(b"%d" % self.seed)
        subprocess.run(["hg", "-R", bed / "a hg", "commit", "-Aqm", "x", "-u", "x"], **quiet)  # type: ignore[call-overload]
        if shutil.which("git"):
            subprocess.run(["git", "init", "-q", bed / "a git"], **quiet)  # type: ignore[call-overload]
            (bed / "a git" / "file").write_bytes(b"%d" % self.seed)
            git = ["git", "-C", bed / "a git", "-c", "user.name=x", "-c", "user.email=x"]
            subprocess.run([*git, "add", "file"], **quiet)  # type: ignore[call-overload]
            subprocess.run([*git, "commit", "-qm", "x"], **quiet)  # type: ignore[call-overload]

    def _deep(self, bed: Path) -> None:
        os.makedirs(bed / "deep" / "/".join(["d"] * LEVELS))
        self.write(os.fsencode(bed / "deep" / "/".join(["d"] * LEVELS) / "bottom"), b"here\n", 0o4711)

    def write(self, path: bytes, content: bytes, mode: int = 0o644, owner: int = 0, group: int | None = None) -> None:
        """Make a file with everything that belongs to it."""
        with open(path, "wb") as stream:
            stream.write(content)
        os.chown(path, owner, owner if group is None else group)
        os.chmod(path, mode)

    def name(self) -> bytes:
        self.count += 1
        return b"%d %s" % (self.count, self.chance.choice(ODD_NAMES)[:200])

    def file(self, folder: bytes) -> bytes:
        path = os.path.join(folder, self.name())
        content = self.chance.randbytes(self.chance.choice((0, 1, 100, 5000, 70_000)))
        self.write(path, content, self.chance.choice(MODES), self.chance.choice(self.people.uids()))
        return path

    def folder(self, folder: bytes) -> bytes:
        path = os.path.join(folder, self.name())
        os.mkdir(path, self.chance.choice(FOLDER_MODES))
        return path

    def link(self, folder: bytes) -> bytes:
        path = os.path.join(folder, self.name())
        os.symlink(self.chance.choice(TARGETS), path)
        return path

    def special(self, folder: bytes) -> bytes:
        path = os.path.join(folder, self.name())
        kind = self.chance.choice(("fifo", "character", "block", "sparse"))
        if kind == "sparse":
            self.sparse(path)
        elif kind == "fifo":
            os.mkfifo(path, self.chance.choice(MODES))
        else:
            format_ = stat.S_IFCHR if kind == "character" else stat.S_IFBLK
            os.mknod(path, format_ | 0o640, os.makedev(self.chance.randrange(300), self.chance.randrange(300)))
        return path

    def sparse(self, path: bytes) -> None:
        """Data between holes, and a hole at the end."""
        with open(path, "wb") as stream:
            for offset in (0, 1 << 20, (3 << 20) + 4096):
                stream.seek(offset)
                stream.write(self.chance.randbytes(4096))
            stream.truncate(5 << 20)

    def socket(self, path: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as made, inside(os.path.dirname(path)):
            made.bind(os.path.basename(path))  # a socket's whole path may not be longer than 107 bytes
        self.sockets.add(path)

    # -- changing

    def mutate(self, rounds: int) -> None:
        """Make ``rounds`` changes of every kind that a snapshot must see."""
        changes = (
            self.content, self.same_size_and_time, self.mode, self.own, self.acl, self.xattr, self.time, self.rename,
            self.file_or_folder, self.remove, self.hard_link_again, self.break_link, self.capability, self.retarget,
        )  # fmt: skip
        for _ in range(rounds):
            self._near = self.changeable()
            for change in changes:
                path = self.some()
                if path is not None:
                    change(path)
        for _ in range(rounds):
            self.chance.choice((self.file, self.link, self.special, self.folder))(self.some_folder())
        self._near = None

    def content(self, path: bytes) -> None:
        if is_file(path):
            with open(path, "r+b") as stream:
                stream.seek(0, self.chance.choice((os.SEEK_SET, os.SEEK_END)))
                stream.write(self.chance.randbytes(self.chance.randrange(1, 3000)))

    def same_size_and_time(self, path: bytes) -> None:
        """An edit in place that only the ctime tells of."""
        if is_file(path) and (found := os.lstat(path)).st_size:
            with open(path, "r+b") as stream:
                first = stream.read(1)
                stream.seek(0)
                stream.write(bytes([first[0] ^ 0x55]))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def mode(self, path: bytes) -> None:
        if not os.path.islink(path):
            os.chmod(path, self.chance.choice(FOLDER_MODES if os.path.isdir(path) else MODES))

    def own(self, path: bytes) -> None:
        uid, gid = self.chance.choice(self.people.uids()), self.chance.choice(self.people.gids())
        os.chown(path, uid, gid, follow_symlinks=False)

    def time(self, path: bytes) -> None:
        time = self.chance.choice((*TIMES, self.chance.randrange(2**31 * 10**9)))
        os.utime(path, ns=(0, time), follow_symlinks=False)

    def acl(self, path: bytes) -> None:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return
        user, group = self.chance.choice(self.people.uids()), self.chance.choice(self.people.gids())
        run("setfacl", "-m", f"u:{user}:{self.chance.choice(('r', 'rw', '-', 'rwx'))},g:{group}:rx", "--", path)
        if stat.S_ISDIR(found.st_mode):
            run("setfacl", "-d", "-m", f"u:{user}:rwx,g:{NAMELESS[1]}:r,o::-", "--", path)

    def xattr(self, path: bytes) -> None:
        found = os.lstat(path)
        os.setxattr(path, "trusted.t\n\x01", self.chance.randbytes(20), follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            for name in (b"user.plain", b"user.\xff odd\n"):
                os.setxattr(path, name, self.chance.randbytes(self.chance.randrange(200)))
            if self.chance.random() < 0.3:
                os.removexattr(path, b"user.plain")

    def capability(self, path: bytes) -> None:
        if is_file(path):
            run("setcap", self.chance.choice(CAPABILITIES), path)

    def flag(self, path: bytes, letters: str) -> None:
        done = subprocess.run(["chattr", "+" + letters, path], capture_output=True)
        if done.returncode == 0:  # no file system knows them all
            self.flagged[path] = letters

    def rename(self, path: bytes) -> None:
        os.rename(path, os.path.join(os.path.dirname(path), self.name()))

    def remove(self, path: bytes) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def file_or_folder(self, path: bytes) -> None:
        """A folder becomes a file, and anything else a folder with something in it."""
        was_folder = os.path.isdir(path) and not os.path.islink(path)
        self.remove(path)
        if was_folder:
            self.write(path, b"was a folder\n")
        else:
            os.mkdir(path)
            self.file(path)

    def hard_link_again(self, path: bytes) -> None:
        self.hard_link(across=self.chance.random() < 0.5)

    def hard_link(self, *, across: bool) -> None:
        path = self.some()
        if path is None or (os.path.isdir(path) and not os.path.islink(path)):
            return
        folder = self.some_folder() if across else os.path.dirname(path)
        os.link(path, os.path.join(folder, self.name()), follow_symlinks=False)

    def break_link(self, path: bytes) -> None:
        """What cp and mv make of a file: another inode with the same content."""
        linked = [p for p in self._there() if is_file(p) and os.lstat(p).st_nlink > 1]
        if linked:
            path = self.chance.choice(linked)
            run("cp", "-a", "--", path, path[:-1] + b"^")
            os.rename(path[:-1] + b"^", path)

    def retarget(self, path: bytes) -> None:
        links = [p for p in self._there() if os.path.islink(p)]
        if links:
            path = self.chance.choice(links)
            os.unlink(path)
            os.symlink(self.chance.choice(TARGETS), path)

    # -- looking

    def paths(self) -> list[bytes]:
        """Every path below the beds, sorted."""
        return sorted(path for bed in self.beds for path in walk(os.fsencode(bed)))

    def changeable(self) -> list[bytes]:
        """Paths that changes are made to: not the deep ones, nothing that flags protect, no socket."""
        fixed = {*self.flagged, *self.sockets}
        fixed |= {os.path.dirname(path) for path in fixed}
        return [path for path in self.paths() if path not in fixed and b"/deep" not in path and len(path) < 1500]

    def _there(self) -> list[bytes]:
        """What can be changed, as it was when the round began: what is new since then comes with the next."""
        if self._near is None:
            return self.changeable()
        return [path for path in self._near if os.path.lexists(path)]

    def some(self) -> bytes | None:
        paths = self._there()
        return self.chance.choice(paths) if paths else None

    def some_folder(self) -> bytes:
        folders = [path for path in self._there() if os.path.isdir(path) and not os.path.islink(path)]
        return self.chance.choice([*folders, *map(os.fsencode, self.beds)])

    def lift_flags(self) -> None:
        """Take the flags away, so that the tree can be moved."""
        for path, letters in self.flagged.items():
            if os.path.lexists(path):
                run("chattr", "-" + letters, path)


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder that no other program's writing to the disk slows down, where this machine has such a thing."""
    base = "/dev/shm" if _takes_everything(b"/dev/shm") else None
    folder = Path(tempfile.mkdtemp(prefix="pacha-tree-", dir=base))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _takes_everything(folder: bytes) -> bool:
    try:
        with tempfile.TemporaryDirectory(dir=folder) as made:
            os.setxattr(made, "user.x", b"x")  # tmpfs: since Linux 6.6
        return True
    except OSError:
        return False


def walk(top: bytes) -> Iterator[bytes]:
    """Every path below ``top``, which is not one of them."""
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            yield os.path.join(folder, name)


def is_file(path: bytes) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)


@contextmanager
def inside(folder: bytes) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run(*command: str | bytes | Path) -> bytes:
    """What a command prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (command, done.stdout[-500:], done.stderr[-500:])
    return done.stdout


# -- the oracle

_FIND = r"%P|%y|%m|%U|%G|%l|%T@\0"
_RSYNC = ("rsync", "-aHAXnc", "--numeric-ids", "--delete", "--itemize-changes")


def unequal(reference: Path, actual: Path) -> list[str]:
    """What differs between two trees, in words; nothing, if they are the same in every respect that can be asked for.

    The two tops themselves are not compared.
    """
    said = []
    for one, other in ((reference, actual), (actual, reference)):
        lines = run(*_RSYNC, f"{one}/", f"{other}/").decode("utf-8", "replace").splitlines()
        said += [f"rsync: {line}" for line in lines if not line.endswith(" ./")]
    for tool in (_attributes, _acls, _capabilities, _statuses, _links, _sizes):
        before, now = tool(reference), tool(actual)
        name = tool.__name__[1:]
        said += [f"{name}: {line!r} only before" for line in sorted(before - now)]
        said += [f"{name}: {line!r} only now" for line in sorted(now - before)]
    return said


def _blocks(top: Path, *command: str) -> set[bytes]:
    with inside(os.fsencode(top)):
        return {
            block for block in run(*command).split(b"\n\n") if not block.startswith((b"# file: .\n", b"# file: ./\n"))
        }


def _attributes(top: Path) -> set[bytes]:
    return _blocks(top, "getfattr", "-Rhd", "-P", "-m", "-", "-e", "hex", ".")


def _acls(top: Path) -> set[bytes]:
    return _blocks(top, "getfacl", "-R", "-P", "-n", "-p", ".")


def _capabilities(top: Path) -> set[bytes]:
    with inside(os.fsencode(top)):
        return set(run("getcap", "-r", ".").splitlines())


def _statuses(top: Path) -> set[bytes]:
    with inside(os.fsencode(top)):
        folders = run("find", ".", "-mindepth", "1", "-type", "d", "-printf", _FIND)
        others = run("find", ".", "-mindepth", "1", "-not", "-type", "d", "-printf", "%n|%s|" + _FIND)
        return {*folders.split(b"\0"), *others.split(b"\0")}


def _links(top: Path) -> set[frozenset[bytes]]:
    names: dict[int, set[bytes]] = {}
    base = os.fsencode(top)
    for path in walk(base):
        found = os.lstat(path)
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            names.setdefault(found.st_ino, set()).add(path[len(base) :])
    return {frozenset(paths) for paths in names.values()}


def _sizes(top: Path) -> set[tuple[bytes, int]]:
    """Files with holes, and how many mebibytes they take (du(1)): where holes are seen from 64 KiB on."""
    base, found = os.fsencode(top), set()
    for path in walk(base):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and status.st_blocks * 512 + (1 << 20) < status.st_size:
            found.add((path[len(base) :], status.st_blocks * 512 >> 20))
    return found
