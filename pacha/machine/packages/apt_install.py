"""Install the packages of a host with apt: fetch all of them, then change something.

All that apt reads and fetches for it lies in one folder of its own, with its lock; it stays after a failure, so that
what was fetched is not fetched again. A file in it says that an installation has begun: a killed one is then finished.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import LockedError, PachaError
from pacha.machine.packages import apt_sources, command_log, debconf_answers
from pacha.machine.packages.apt_choice import GET, INSTALL, Chosen, choose
from pacha.machine.packages.command_log import CommandLog, ProgramError
from pacha.machine.packages.missing import Installed, Missing, architecture_of, installed
from pacha.machine.packages.package_list import Manager, PackageList, SourceFile
from pacha.machine.packages.policy_rc import blocked_services, sweep
from pacha.system.atomic import replace_file
from pacha.text import enumerated

FOLDER = Path("/var/cache/pacha/packages")
_BEGUN = "installing"
_LOCALES = "/etc/locale.gen"
_UNFINISHED = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")
_BATCH = 500  #: names on one command line
#: A mirror that says nothing is given up; what is recorded of a configuration wins, and nobody is asked.
_SETTINGS = (
    "Acquire::http::Timeout=30", "Acquire::https::Timeout=30", "Acquire::ftp::Timeout=30",
    "Acquire::Retries=0",  # while it waits before another try, apt 2.6 may wait for ever
    "DPkg::Lock::Timeout=60", "Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "Dpkg::Use-Pty=0",
    "APT::Get::AutomaticRemove=false",
)  # fmt: skip


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
class FetchedPackages:
    """What was fetched, what sources failed with, and the options with which apt finds it."""

    chosen: Chosen
    options: tuple[str, ...]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """apt with a folder of its own; made by ``opened``."""

    folder: Path
    commands: CommandLog
    root: Path = Path("/")

    @property
    def was_interrupted(self) -> bool:
        """Whether an earlier installation was not finished."""
        return is_begun(self.folder)

    def fetch(self, order: Order) -> FetchedPackages:
        """Fetch all packages of ``order`` that can be had.

        Changes nothing but what a killed installation left half done. Raises PachaError, ProgramError.
        """
        self._finish_dpkg()
        options = self._options(order)
        wanted = [(one, architecture_of(one, order.recorded, order.here)) for one in order.missing.wanted]
        failures = self._update(options) if wanted else ()
        chosen = choose(options, wanted, exact=order.exact)
        if failures and self._is_too_little(order, chosen):
            raise _not_to_be_had(failures)
        if chosen.arguments:
            argv = [*GET, *options, "--download-only", *INSTALL, *chosen.arguments]
            if broken := self.tried([argv], "fetching packages", self._partial):
                raise _not_fetched(broken[0])
        return FetchedPackages(chosen=chosen, options=options, failures=failures)

    def install(self, order: Order, fetched: FetchedPackages) -> tuple[str, ...]:
        """Install what was fetched, and mark what is installed as it was recorded. Returns what failed.

        Starts no service. Raises OSError, ProgramError.
        """
        replace_file(self.folder / _BEGUN, b"")
        with blocked_services(self.folder / "lock", self.root):
            failures = self._prepare(order.recorded)
            if fetched.chosen.arguments:
                argv = [*GET, *fetched.options, "--no-download", *INSTALL, *fetched.chosen.arguments]
                failures += self.tried([argv], "installing packages")
            commands = _marks(fetched.options, order, installed(Manager.APT, self.root))
            return (*failures, *self.tried(commands, "marking packages"))

    def _is_too_little(self, order: Order, chosen: Chosen) -> bool:
        """Whether sources that failed leave so little that it is better to try again: no list, or most is lost."""
        lost = len(order.missing.wanted) - len(chosen.arguments)
        has_lists = any(name.endswith(("Release", "_Packages")) for name in os.listdir(self.folder / "lists"))
        return 2 * lost > len(order.recorded.packages) or (lost > 0 and not has_lists)

    def _finish_dpkg(self) -> None:
        """Let dpkg finish what an own killed installation left: apt refuses everything before."""
        if self.was_interrupted and unfinished(self.root):
            self.configure_again()

    def configure_again(self) -> tuple[str, ...]:
        """Configure what could not be configured before its files were there. Returns what failed."""
        with blocked_services(self.folder / "lock", self.root):
            return tuple(self.tried([["dpkg", "--configure", "-a"]], "configuring packages"))

    def add_sources(self, files: Sequence[SourceFile], restored: Iterable[str]) -> tuple[str, ...]:
        """Write what apt reads of ``files`` where this machine has nothing, but for the paths that are ``restored``."""
        left = set(restored)
        made = []
        for one in apt_sources.of_apt(files):
            place = self.root / one.path[1:]
            if one.path not in left and not os.path.lexists(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                replace_file(place, one.content, mode=apt_sources.mode_of(one.path))
                made.append(one.path)
        return tuple(made)

    def finish(self) -> None:
        """Remove the folder: the installation is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _options(self, order: Order) -> tuple[str, ...]:
        """The options of each apt, which win over apt.conf; with the sources of the host written anew."""
        names = {"State::lists": "lists/", "Cache::archives": "archives/"}
        names |= {"Cache::pkgcache": "pkgcache.bin", "Cache::srcpkgcache": "srcpkgcache.bin"}
        settings = [f"Dir::{key}={self.folder}/{name}" for key, name in names.items()]
        if foreign := order.recorded.foreign_architectures:
            settings += [f"APT::Architectures::={name}" for name in (order.here.architecture, *foreign)]
        words = [word for setting in (*_SETTINGS, *settings) for word in ("-o", setting)]
        return (*words, *(() if order.own_sources else self._sources(order.recorded.files)))

    def _sources(self, files: Sequence[SourceFile]) -> tuple[str, ...]:
        tree = self.folder / "etc"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(mode=0o755)
        return apt_sources.write_tree(files, tree, self.root)

    def _update(self, options: Sequence[str]) -> tuple[str, ...]:
        """Fetch the lists; a source that fails does not keep the others away. Returns what failed."""
        for folder in self._partial:
            folder.mkdir(parents=True, exist_ok=True)
        argv = [*GET, *options, "--error-on=any", "update"]
        return tuple(self.tried([argv], "fetching the lists of packages", self._partial))

    @property
    def _partial(self) -> tuple[Path, ...]:
        """Where apt writes what it is fetching."""
        return tuple(self.folder / name / "partial" for name in ("lists", "archives"))

    def _prepare(self, recorded: PackageList) -> list[str]:
        """Name the architectures, and answer what packages ask when they are installed. Returns what failed."""
        for one in recorded.files:
            place = self.root / one.path[1:]
            if one.path == debconf_answers.PLACE:
                debconf_answers.merge(one.content, place)
            if one.path == _LOCALES and not os.path.lexists(place):  # it is there where the package locales is
                replace_file(place, one.content, mode=0o644)
        names = recorded.foreign_architectures
        return self.tried([["dpkg", "--add-architecture", name] for name in names], "adding an architecture")

    def tried(self, commands: Iterable[Sequence[str]], what: str, growing: Sequence[Path] = ()) -> list[str]:
        """Run ``commands``; returns why those that failed did."""
        failures = []
        for argv in commands:
            try:
                self.commands.run(argv, what, growing)
            except ProgramError as error:
                failures.append(error.why)
        return failures


@contextmanager
def opened(folder: Path = FOLDER, root: Path = Path("/")) -> Iterator[Apt]:
    """apt with the folder ``folder``, whose lock is held. Raises LockedError where another installation is at work."""
    for place in (folder.parent, folder):  # not private: apt fetches as _apt
        if not place.is_dir():
            place.mkdir()
            place.chmod(0o755)
    fd = _lock(folder)
    try:
        sweep(root)
        apt = Apt(folder=folder, commands=CommandLog(log=folder / "log", inherited=(fd,)), root=root)
        if (names := unfinished(root)) and not apt.was_interrupted:
            raise _interrupted(names)
        yield apt
    finally:
        os.close(fd)


def is_begun(folder: Path = FOLDER) -> bool:
    """Whether an installation was begun and is not finished."""
    return (folder / _BEGUN).exists()


def sweep_leftovers(folder: Path = FOLDER, root: Path = Path("/")) -> None:
    """Remove the policy-rc.d that a killed rebuild left, unless an apt-get that outlived it is still at work."""
    if os.geteuid() != 0 or not (folder / "lock").exists():
        return
    try:
        fd = _lock(folder)
    except LockedError:
        return
    try:
        sweep(root)
    finally:
        os.close(fd)


def unfinished(root: Path = Path("/")) -> tuple[str, ...]:
    """The packages that dpkg has not finished with, () for none; "dpkg" where its own records are not complete."""
    admin = root / "var/lib/dpkg"
    shown = ["dpkg-query", f"--admindir={admin}", "--show", "--showformat=${Package}\\t${db:Status-Status}\\n"]
    rows = [line.split("\t") for line in command_log.output(shown).decode("utf-8", "replace").splitlines()]
    names = tuple(row[0] for row in rows if len(row) == 2 and row[1] in _UNFINISHED)
    updates = admin / "updates"
    return names or (("dpkg",) if updates.is_dir() and any(name.isdigit() for name in os.listdir(updates)) else ())


def _lock(folder: Path) -> int:
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LockedError(
            "Another installation of packages is at work.",
            "perhaps the apt-get of a rebuild that was killed",
            "Wait for it to end, then run this again.",
            code="packages-locked",
        ) from None
    return fd


def _marks(options: Sequence[str], order: Order, now: Installed) -> Iterator[list[str]]:
    """The commands that mark what is installed as it was recorded: automatic, manual, held."""
    here = [(one, architecture_of(one, order.recorded, now)) for one in order.recorded.packages]
    names = [(one, f"{one.name}:{architecture}") for one, architecture in here if now.has(one, architecture)]
    groups = {
        "auto": [name for one, name in names if not one.manual],
        "manual": [name for one, name in names if one.manual],
        "hold": [name for one, name in names if one.held],
    }
    for word, group in groups.items():
        for start in range(0, len(group), _BATCH):
            yield ["apt-mark", *options, word, *group[start : start + _BATCH]]


def _interrupted(names: Sequence[str]) -> PachaError:
    return PachaError(
        "An earlier work of dpkg was interrupted; nothing was changed.",
        f"not finished: {enumerated(names, 5)}",
        "End that with 'dpkg --configure -a', then run this again.",
        code="dpkg-interrupted",
    )


def _not_to_be_had(failures: Sequence[str]) -> PachaError:
    return PachaError(
        "Most of the packages cannot be had; nothing was changed.",
        failures[0],
        "Run it again when the sources answer; --packages list goes on without packages.",
        code="packages-not-to-be-had",
    )


def _not_fetched(why: str) -> PachaError:
    return PachaError(
        "The packages could not all be fetched; nothing was changed.",
        why,
        "Run it again: what was fetched is kept. --packages list goes on without packages.",
        code="packages-not-fetched",
    )
