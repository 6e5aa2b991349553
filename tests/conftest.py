"""What every test stands on: a home of its own, and a guard before the real one."""

from __future__ import annotations

import gc
import os
import pwd
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.amount import left_for_another_day
from tests.support.sshd import sshd  # noqa: F401  (a fixture)

os.environ["PACHA_HOST_KEY"] = ""  # this machine's sshd has one, which signs nothing here
os.environ["PACHA_PACKAGES"] = "no"  # asking for this machine's takes seconds; also fixtures of a module push


settings.register_profile("pacha", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("pacha")


def _homes() -> set[str]:
    """Return the home folders that the machine's own user may have."""
    homes = {os.path.expanduser("~")}
    try:
        homes.add(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        pass  # a user without an account, as in some containers
    return homes


NEVER_READ = tuple(os.path.join(home, name) for home in _homes() for name in (".ssh", ".hgrc"))
NEVER_WRITTEN = ("/etc", "/var/lib/pacha", *NEVER_READ)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

#: Audit events that change a path (Python Library Reference, "Audit events table"), and where in their
#: arguments each path stands and the descriptor of the folder that it is relative to (None: never one).
CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((1, 3),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.removexattr": ((0, None),),
    "os.rmdir": ((0, 1),),
    "os.setxattr": ((0, None),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
    "sqlite3.connect": ((0, None),),
}


#: Not those of pytest's mktemp, which lists all that there are before each: thousands.
home_numbers = count()

#: The folders that tests at work beside this one lie in, too: a push there records how each of them is.
shared_folders: set[str] = set()


class RealFileError(BaseException):
    """A test came near what is not its own. Not an Exception, so that nothing swallows it."""


def _of_descriptor(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""


def _absolute(path: object, folder: object) -> str:
    """Return ``path``, or the path of that descriptor, made absolute."""
    if isinstance(path, int):
        return _of_descriptor(path)
    if not isinstance(path, (str, bytes, os.PathLike)):
        return ""
    base = _of_descriptor(folder) if isinstance(folder, int) and folder >= 0 else ""
    return os.path.abspath(os.path.join(base, os.fsdecode(path)))


def _below(path: object, folder: object, roots: tuple[str, ...]) -> str | None:
    """Return ``path`` made absolute, if it is one of ``roots`` or below."""
    absolute = _absolute(path, folder)
    return absolute if any(absolute == root or absolute.startswith(root + "/") for root in roots) else None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    touched = None
    if event == "open":
        flags = arguments[2]
        writes = isinstance(flags, int) and flags & WRITING
        touched = _below(arguments[0], None, NEVER_WRITTEN if writes else NEVER_READ)
    elif event in CHANGES:
        for place, base in CHANGES[event]:
            folder = arguments[base] if base is not None and base < len(arguments) else None
            touched = touched or _below(arguments[place], folder, NEVER_WRITTEN)
    if touched:
        raise RealFileError(f"a test is not to touch the machine's own {touched} ({event})")
    if event in ("os.chmod", "os.chown") and _absolute(arguments[0], None) in shared_folders:
        raise RealFileError(f"a test is not to change {arguments[0]}, which others lie in ({event})")


sys.addaudithook(_watch)
# nohup(1) and a shell's background make whatever is started ignore these; what the tests start is to hear them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def _minutes(item: pytest.Item) -> float:
    """Return how long a test takes by its mark: ``slow`` alone says a minute at most."""
    mark = item.get_closest_marker("slow")
    return float(mark.kwargs.get("minutes", 1)) if mark else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long: last, it would have one process at work that the others wait for.

    With CI set, each test of several cases outside of tests/unit takes half of them each day: it has 15 minutes.
    """
    items.sort(key=_minutes, reverse=True)
    if os.environ.get("CI"):
        names = [item.nodeid for item in items if not item.nodeid.startswith("tests/unit/")]
        left = left_for_another_day(names, 2)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left])
        items[:] = [item for item in items if item.nodeid not in left]


def pytest_collection_finish() -> None:
    """Leave what was collected out of every later garbage collection: it stays, and is much."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin with the umask that most have, before the first fixture: Pacha's own functions may leave another."""
    os.umask(0o022)


OWN_FOLDERS = ("config", "state", "cache", "data", "tmp", "gnupg", "run")
OWN_PLACES = {
    "XDG_CONFIG_HOME": "config",
    "XDG_STATE_HOME": "state",
    "XDG_CACHE_HOME": "cache",
    "XDG_DATA_HOME": "data",
    "XDG_RUNTIME_DIR": "run",
    "PACHA_SSH": ".ssh",
    "PACHA_STATE": "state/pacha",
    "TMPDIR": "tmp",
    "GNUPGHOME": "gnupg",
}
NEVER_SET = ("PACHA_CONFIG", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "HGUSER", "HGPLAIN", "EMAIL")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of all their homes."""
    folder = tmp_path_factory.getbasetemp() / "home"
    folder.mkdir(mode=0o700)
    shared_folders.update(map(str, (folder, *folder.parents)))
    return str(folder)


@pytest.fixture(autouse=True)
def isolated(homes: str) -> Iterator[Path]:
    """Give the test a home of its own, and all that Pacha, Mercurial or ssh look for in the environment.

    Thousands of tests begin with this: what is there for comfort costs more than what most of them do.
    """
    base, before, temporary = f"{homes}/{next(home_numbers)}", dict(os.environ), tempfile.tempdir
    for folder in ("", *OWN_FOLDERS):
        os.mkdir(f"{base}/{folder}", 0o700)
    os.environ.update({variable: f"{base}/{place}" for variable, place in OWN_PLACES.items()}, HOME=base, HGRCPATH="")
    for variable in NEVER_SET:
        os.environ.pop(variable, None)
    tempfile.tempdir = None
    yield Path(base)
    tempfile.tempdir = temporary
    for variable in os.environ.keys() - before.keys():
        del os.environ[variable]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account of this machine may look into, as it may not into ``tmp_path``."""
    folder = Path(tempfile.mkdtemp(prefix="pacha-open-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def as_root() -> None:
    """Skip the test, visibly, unless it runs as root; with CI set, where nothing may be skipped, fail it."""
    if os.geteuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail("this test needs root, and CI is set")
    pytest.skip("needs root")
