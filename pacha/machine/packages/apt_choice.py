"""Choose the wanted packages that apt can install together, so that one that is gone does not prevent the others.

apt takes a name that it does not know for a pattern (``g++``: all with a g), or for a command (``nginx-``: remove
nginx). So it is asked first which names it knows, and gets only those, each followed by an architecture.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pacha.machine.packages import program
from pacha.machine.packages.installer import Chosen
from pacha.machine.packages.package_list import ARCHITECTURE, Package
from pacha.machine.packages.program import ProgramError

_BATCH = 500  #: names on one command line
_TRIAL_SECONDS = 300.0  #: for apt to find out whether it can install something
_TRIALS = 200  #: how often apt is asked whether it can install something
_WITH_REMOVAL = ("-o", "APT::Get::Remove=true")
_REMOVED = re.compile(r"^Remv (\S+)", re.MULTILINE)  # of apt-get(8), --simulate
_EXPLAINED = 50  #: packages for which apt is asked what it would have to remove
_RECORD = re.compile(r"^(Package|Architecture|Version): (\S+)$", re.MULTILINE)
GET = ("apt-get", "-q", "-y", "--no-install-recommends")
INSTALL = ("--reinstall", "install")  #: also what a kill left half unpacked, which apt takes for installed

_Offers = Mapping[tuple[str, str], Sequence[str]]  #: the available versions of (name, architecture), the best first


def choose(places: Sequence[str], wanted: Sequence[tuple[Package, str]], *, exact: bool) -> Chosen:
    """Return what can be installed of ``wanted``, each package with its architecture; ``places`` are options of apt.

    With ``exact``, and for a held package, the recorded version is chosen if a source has it. Raises ProgramError.
    """
    if not wanted:
        return Chosen()
    offers = _offers(places, wanted)
    known = [(package, of) for package, of in wanted if offers.get((package.name, of)) and _is_plain(of)]
    pinned = {pair for pair in known if (exact or pair[0].held) and pair[0].version in offers[pair[0].name, pair[1]]}
    arguments = {_argument(pair, pinned): pair[0].name for pair in known}
    fitting = _fitting(places, list(arguments))
    left = [word for word in arguments if word not in fitting]
    conflicts = {arguments[word]: names for word in left[:_EXPLAINED] if (names := _removals(places, word))}
    had = {arguments[word] for word in fitting} | conflicts.keys()
    return Chosen(
        arguments=tuple(fitting),
        not_to_be_had=tuple(sorted({package.name for package, _ in wanted} - had)),
        conflicts=tuple(sorted(conflicts.items())),
        other_versions=tuple(
            sorted(package.name for package, of in known if (exact or package.held) and (package, of) not in pinned)
        ),
    )


def _argument(pair: tuple[Package, str], pinned: set[tuple[Package, str]]) -> str:
    package, architecture = pair
    is_pinned = pair in pinned and _is_plain(package.version)
    return f"{package.name}:{architecture}" + (f"={package.version}" if is_pinned else "")


def _is_plain(end: str) -> bool:
    """Whether apt does not take a word with this ``end`` for a command: a sign at the end installs or removes."""
    return end[-1:] not in ("+", "-", "")


def _offers(places: Sequence[str], wanted: Sequence[tuple[Package, str]]) -> _Offers:
    known = set(program.ask(["apt-cache", *places, "pkgnames"]).split())
    names = [f"{package.name}:{of}" for package, of in wanted if package.name in known and ARCHITECTURE.fullmatch(of)]
    asked = {tuple(name.rsplit(":", 1)) for name in names}
    offers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for start in range(0, len(names), _BATCH):
        for name, architecture, version in _shown(places, names[start : start + _BATCH]):
            for of in {architecture} if architecture != "all" else {of for _, of in asked}:
                if (name, of) in asked:
                    offers[name, of].append(version)
    return offers


def _shown(places: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, architecture and version of each record that apt has of ``names``."""
    try:
        text = program.ask(["apt-cache", *places, "show", "--all-versions", *names])
    except ProgramError:  # none of them can be had
        return
    for stanza in text.split("\n\n"):
        fields = dict(_RECORD.findall(stanza))
        if len(fields) == 3:
            yield fields["Package"], fields["Architecture"], fields["Version"]


def _fitting(places: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return most of ``arguments``, which apt can install together: a group that does not fit is tried in halves."""
    fitting: list[str] = []
    waiting = [list(arguments)] if arguments else []
    for _ in range(_TRIALS):
        if not waiting:
            break
        group = waiting.pop(0)
        try:
            program.ask([*GET, *places, "--simulate", *INSTALL, *fitting, *group], _TRIAL_SECONDS)
        except ProgramError:
            if half := len(group) // 2:
                waiting[:0] = [group[:half], group[half:]]
        else:
            fitting += group
    return fitting


def _removals(places: Sequence[str], argument: str) -> tuple[str, ...]:
    """Return the packages of this machine that apt would remove to install ``argument``; () also where it cannot."""
    try:
        text = program.ask([*GET, *places, *_WITH_REMOVAL, "--simulate", *INSTALL, argument], _TRIAL_SECONDS)
    except ProgramError:
        return ()
    return tuple(sorted(set(_REMOVED.findall(text))))
