"""Show which packages of the host are missing, and what is trusted for them. All of it is hostile text."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click

from pacha.machine.packages.installer import Source
from pacha.machine.packages.package_list import Package
from pacha.rebuild import packages
from pacha.rebuild.packages import PlannedPackages
from pacha.text import enumerated, masked

_SHOWN = 20  #: names in a line
_LONGEST = 200  #: characters of a path or an address


def package_lines(host: str, planned: PlannedPackages) -> Iterator[str]:
    """What is missing here, what of it can be had, and from where."""
    missing = planned.missing
    count = len(missing.wanted) + len(missing.not_to_be_had)
    if count:
        what = "to be installed first" if planned.installs else "not installed here"
        yield f"{len(missing.wanted):>8} packages of '{host}' {what}: {_names(missing.wanted) or 'none'}"
    if missing.not_to_be_had:
        yield f"{len(missing.not_to_be_had):>8} that no source had: {_names(missing.not_to_be_had)}"
    if missing.of_hardware:
        yield f"{len(missing.of_hardware):>8} of its hardware, passed over: {_names(missing.of_hardware)}"
    if planned.installs and missing.wanted:
        yield from _trusted_lines(planned)
    elif missing.wanted:
        if planned.refusal:
            yield f"None is installed: {masked(planned.refusal, _LONGEST)}."
        yield "Install them before the files come back, not after: --packages install does, or the commands below."


def command_lines(planned: PlannedPackages) -> list[str]:
    """The lines to paste; none where packages will be installed."""
    return [] if planned.installs else packages.commands(planned)


def wants_packages(planned: PlannedPackages) -> bool:
    """Ask whether to install the packages; no where nobody is at a terminal."""
    if not sys.stdin.isatty():
        return False
    for line in _trusted_lines(planned):
        click.echo(line)
    click.echo(f"Install {len(planned.missing.wanted)} packages first? Type 'yes', or hit Enter to go on without:")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _trusted_lines(planned: PlannedPackages) -> Iterator[str]:
    if planned.order.own_sources:
        yield "They are taken from this machine's own sources, by name."
        return
    lines = [_source(source) for source in planned.sources]
    lines += [f"the key {_shown(path)} (sha256 {digest})" for path, digest in planned.keys]
    yield "They are taken from the sources of the host, which are trusted for it:"
    yield from (f"         {line}" for line in lines)  # all: what is not seen is trusted as well


def _source(source: Source) -> str:
    trust = "WITHOUT A SIGNATURE" if source.unsigned else f"signed by {_shown(source.key) or 'any trusted key'}"
    trust += ", its server's certificate NOT LOOKED AT" if source.unverified else ""
    trust += f", through {_shown(source.proxy)}" if source.proxy else ""
    return f"{_shown(source.uri)} {_shown(source.suites)}, {trust} ({_shown(source.path)})"


def _names(some: Sequence[Package]) -> str:
    return enumerated(sorted({one.name for one in some}), _SHOWN)


def _shown(text: str) -> str:
    return masked(text, _LONGEST) + (" (cut off)" if len(text) > _LONGEST else "")
