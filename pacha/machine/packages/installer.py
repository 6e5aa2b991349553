"""How the packages of a host are installed, whatever manages them: fetch all of them before anything changes.

One folder has everything that is read and fetched for it, and a lock. After a failure it stays, so that nothing is
fetched twice. A file in it says that an installation has begun, so that a later run finishes a killed one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import LockedError, PachaError
from pacha.machine.packages.command_log import CommandLog
from pacha.machine.packages.missing import Installed, Missing
from pacha.machine.packages.package_list import PackageList, SourceFile
from pacha.machine.packages.policy_rc import sweep
from pacha.machine.packages.program import ProgramError
from pacha.system.atomic import replace_file

FOLDER = Path("/var/cache/pacha/packages")
BATCH = 500  #: names on one command line
_BEGUN = "installing"
_PASSWORD = re.compile(r"//[^/\s@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of packages: its URI (without a password) and suites, its file, and its keys ("": any trusted key).

    ``unsigned``: it is trusted without a signature; ``unverified``: its server's certificate is not checked; ``proxy``:
    its proxy, "" for this machine's setting. All of it is untrusted text.
    """

    uri: str
    suites: str
    path: str
    key: str = ""
    unsigned: bool = False
    unverified: bool = False
    proxy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to install: the packages in ``recorded`` that are ``missing``. ``here``: what is installed already.

    ``own_sources``: from this machine's sources, not the host's. ``exact``: in the recorded versions.
    """

    recorded: PackageList
    missing: Missing
    here: Installed
    own_sources: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The command-line ``arguments`` for what a manager can install, and the names of what no source has.

    ``other_versions``: the names of packages for which no source has the wanted version; ``conflicts``: those that
    conflict with packages of this machine, each with the names of these.
    """

    arguments: tuple[str, ...] = ()
    not_to_be_had: tuple[str, ...] = ()
    other_versions: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPackages:
    """What was fetched, the options with which the manager finds it, and why sources failed."""

    chosen: Chosen
    options: tuple[str, ...]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInstaller(ABC):
    """A package manager that works in a ``folder`` of its own. ``installers.opened`` makes one."""

    folder: Path
    commands: CommandLog
    root: Path = Path("/")

    def obstacle(self) -> PachaError | None:
        """Return the error for what another program left half done, so that nothing can begin; None for nothing."""
        return None

    @abstractmethod
    def fetch(self, order: Order) -> FetchedPackages:
        """Fetch all packages of ``order`` that the sources have.

        Change nothing, except to finish what a killed installation left half done. Raises PachaError, ProgramError.
        """

    @abstractmethod
    def install(self, order: Order, fetched: FetchedPackages) -> tuple[str, ...]:
        """Install what was fetched, and mark the installed packages as recorded. Return what failed.

        Start no service. Raises OSError, ProgramError.
        """

    @abstractmethod
    def of_manager(self, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
        """Return those of ``files`` that the manager reads and a rebuild may write."""

    def configure_again(self) -> tuple[str, ...]:
        """Once the files are restored, finish what failed without them. Return what failed."""
        return ()

    def mode_of(self, path: str) -> int:
        """Return the mode of one of those files."""
        return 0o644

    @property
    def was_interrupted(self) -> bool:
        """Whether an earlier installation was not finished."""
        return is_begun(self.folder)

    def begin(self) -> None:
        """Record that the installation begins to change something. Raises OSError."""
        replace_file(self.folder / _BEGUN, b"")

    def add_sources(self, files: Sequence[SourceFile], restored: Iterable[str]) -> tuple[str, ...]:
        """Write the ``files`` that the manager reads, that this machine does not have, and that are not ``restored``.

        Return the paths written. Raises OSError.
        """
        skipped = set(restored)
        written = []
        for file in self.of_manager(files):
            place = self.root / file.path[1:]
            if file.path not in skipped and not os.path.lexists(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                replace_file(place, file.content, mode=self.mode_of(file.path))
                written.append(file.path)
        return tuple(written)

    def finish(self) -> None:
        """Remove the folder, when the installation is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def tried(self, commands: Iterable[Sequence[str]], what: str, growing: Sequence[Path] = ()) -> list[str]:
        """Run ``commands`` as ``CommandLog.run`` does. Return, for each that failed, why."""
        failures = []
        for argv in commands:
            try:
                self.commands.run(argv, what, growing)
            except ProgramError as error:
                failures.append(error.why)
        return failures


def without_password(uri: str) -> str:
    """Return ``uri`` without a user and a password."""
    return _PASSWORD.sub("//", uri)


def is_begun(folder: Path = FOLDER) -> bool:
    """Whether an installation has begun and is not complete."""
    return (folder / _BEGUN).exists()


def is_too_little(order: Order, chosen: Chosen, *, has_lists: bool) -> bool:
    """Whether failed sources leave so little that the user should try again: no lists, or most packages missing."""
    lost = len(order.missing.wanted) - len(chosen.arguments)
    return 2 * lost > len(order.recorded.packages) or (lost > 0 and not has_lists)


def sweep_leftovers(folder: Path = FOLDER, root: Path = Path("/")) -> None:
    """Remove the policy-rc.d that a killed rebuild left, unless its package manager still runs. Raises OSError."""
    if os.geteuid() != 0 or not (folder / "lock").exists():
        return
    try:
        fd = lock(folder)
    except LockedError:
        return
    try:
        sweep(root)
    finally:
        os.close(fd)


def lock(folder: Path) -> int:
    """Return a descriptor that holds the lock of ``folder``. Raises LockedError where another installation has it."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LockedError(
            "Another installation of packages is at work.",
            "perhaps the package manager of a rebuild that was killed",
            "Wait for it to end, then run this again.",
            code="packages-locked",
        ) from None
    return fd


def not_to_be_had(failures: Sequence[str]) -> PachaError:
    """Return the error for sources that do not answer."""
    return PachaError(
        "Most of the packages cannot be had; nothing was changed.",
        failures[0],
        "Run it again when the sources answer; --packages list goes on without packages.",
        code="packages-not-to-be-had",
    )


def not_fetched(why: str) -> PachaError:
    """Return the error for packages that could not be fetched."""
    return PachaError(
        "The packages could not all be fetched; nothing was changed.",
        why,
        "Run it again: what was fetched is kept. --packages list goes on without packages.",
        code="packages-not-fetched",
    )
