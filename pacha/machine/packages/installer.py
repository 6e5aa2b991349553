"""How the packages of a host are installed, whatever manages them: fetch all of them, then change something.

All that is read and fetched for it lies in one folder, with its lock; it stays after a failure, so that what was
fetched is not fetched again. A file in it says that an installation has begun: a killed one is then finished.
"""

from __future__ import annotations

import fcntl
import os
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source: its URI (without a password) and suites, the file that says so, its keys ("": any trusted).

    ``unsigned``: the file says that it is trusted without a signature; ``unverified``: that its server's certificate is
    not looked at; ``proxy``: through what it is asked, "" for what this machine says. All of it is hostile text.
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
    """What is to be installed here: of ``recorded`` what is ``missing``.

    ``own_sources``: from this machine's sources, not the host's. ``exact``: in the versions that were recorded.
    """

    recorded: PackageList
    missing: Missing
    here: Installed
    own_sources: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a manager is told to install, in its own words, and what is not to be had.

    ``other_versions`` are the names of those that were wanted in a version that no source has; ``conflicts`` those that
    do not go with packages of this machine, each with the names of these.
    """

    arguments: tuple[str, ...] = ()
    not_to_be_had: tuple[str, ...] = ()
    other_versions: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPackages:
    """What was fetched, what sources failed with, and the options with which the manager finds it."""

    chosen: Chosen
    options: tuple[str, ...]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInstaller(ABC):
    """A package manager that works in a ``folder`` of its own; made by ``installers.opened``."""

    folder: Path
    commands: CommandLog
    root: Path = Path("/")

    def obstacle(self) -> PachaError | None:
        """What something else left half done, so that nothing can be begun; None for nothing."""
        return None

    @abstractmethod
    def fetch(self, order: Order) -> FetchedPackages:
        """Fetch all packages of ``order`` that can be had.

        Changes nothing but what a killed installation left half done. Raises PachaError, ProgramError.
        """

    @abstractmethod
    def install(self, order: Order, fetched: FetchedPackages) -> tuple[str, ...]:
        """Install what was fetched, and mark what is installed as it was recorded. Returns what failed.

        Starts no service. Raises OSError, ProgramError.
        """

    @abstractmethod
    def of_manager(self, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
        """Those of ``files`` that the manager reads, and that a rebuild may write."""

    def configure_again(self) -> tuple[str, ...]:
        """After the files: finish what could not be finished before they were there. Returns what failed."""
        return ()

    def mode_of(self, path: str) -> int:
        """The permissions of one of those files."""
        return 0o644

    @property
    def was_interrupted(self) -> bool:
        """Whether an earlier installation was not finished."""
        return is_begun(self.folder)

    def begin(self) -> None:
        """Remember that something will be changed. Raises OSError."""
        replace_file(self.folder / _BEGUN, b"")

    def add_sources(self, files: Sequence[SourceFile], restored: Iterable[str]) -> tuple[str, ...]:
        """Write what the manager reads of ``files`` where this machine has nothing, but for the paths ``restored``."""
        left = set(restored)
        made = []
        for file in self.of_manager(files):
            place = self.root / file.path[1:]
            if file.path not in left and not os.path.lexists(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                replace_file(place, file.content, mode=self.mode_of(file.path))
                made.append(file.path)
        return tuple(made)

    def finish(self) -> None:
        """Remove the folder: the installation is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def tried(self, commands: Iterable[Sequence[str]], what: str, growing: Sequence[Path] = ()) -> list[str]:
        """Run ``commands``; returns why those that failed did."""
        failures = []
        for argv in commands:
            try:
                self.commands.run(argv, what, growing)
            except ProgramError as error:
                failures.append(error.why)
        return failures


def is_begun(folder: Path = FOLDER) -> bool:
    """Whether an installation was begun and is not finished."""
    return (folder / _BEGUN).exists()


def is_too_little(order: Order, chosen: Chosen, *, has_lists: bool) -> bool:
    """Whether sources that failed leave so little that it is better to try again: no list, or most is lost."""
    lost = len(order.missing.wanted) - len(chosen.arguments)
    return 2 * lost > len(order.recorded.packages) or (lost > 0 and not has_lists)


def sweep_leftovers(folder: Path = FOLDER, root: Path = Path("/")) -> None:
    """Remove the policy-rc.d that a killed rebuild left, unless a manager that outlived it is still at work."""
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
    """The descriptor that holds the lock of ``folder``. Raises LockedError where another installation has it."""
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
    """The error for sources that do not answer."""
    return PachaError(
        "Most of the packages cannot be had; nothing was changed.",
        failures[0],
        "Run it again when the sources answer; --packages list goes on without packages.",
        code="packages-not-to-be-had",
    )


def not_fetched(why: str) -> PachaError:
    """The error for packages that could not be fetched."""
    return PachaError(
        "The packages could not all be fetched; nothing was changed.",
        why,
        "Run it again: what was fetched is kept. --packages list goes on without packages.",
        code="packages-not-fetched",
    )
