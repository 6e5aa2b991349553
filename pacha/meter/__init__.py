"""What a person sees: lines, the boxed warning, the report of a rebuild. Never a raw control byte."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pacha.errors import Concern, PachaError
from pacha.files.names import shown
from pacha.restore.plan import Action, Plan, Step
from pacha.store.snapshot import Changes
from pacha.wire.scp import Received

if TYPE_CHECKING:
    from pacha.actions.preview import Preview
    from pacha.actions.rebuild import Rebuilt
    from pacha.actions.staging import Fetched
    from pacha.actions.undo import Past

_UNITS = (("  ", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40))
_NAME_WIDTH = 48
_NO_CONFIG = """\
+-----------------------------------------------------------------+
|                       W A R N I N G                             |
|                                                                 |
|  Pacha has no configuration on this machine.                    |
|                                                                 |
|  Write one (pacha.conf.example shows every key), then either    |
|  put it where Pacha looks for it:                               |
|      {place:<59}|
|  or tell Pacha where it is:                                     |
|      pacha add-config FILE                                      |
+-----------------------------------------------------------------+"""
_ACTIONS = {
    Action.CREATE: "made",
    Action.REPLACE: "replaced",
    Action.METADATA: "given back their owner, mode or time",
    Action.SAME: "already right",
    Action.EXTRA: "not part of the snapshot, left alone",
    Action.KEPT_BY_RULE: "kept by pacha.rebuild.keep",
    Action.CANNOT: "not restored",
}


class Meter:
    """Prints to the terminal: ``quiet`` only what is wrong, ``verbose`` more."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose

    def say(self, text: str) -> None:
        """One line for whoever watches."""
        if not self.quiet:
            click.echo(text)

    def detail(self, text: str) -> None:
        """One line for whoever asked for more."""
        if self.verbose and not self.quiet:
            click.echo(text)

    def file(self, received: Received) -> None:
        """One line a file fetched, in the layout of scp(1)."""
        if not self.quiet:
            click.echo(file_line(os.path.basename(received.name), received.size, received.seconds))

    def changes(self, changes: Changes) -> None:
        """Every path of a snapshot that is not as before: A added, M changed, R removed, m metadata."""
        groups = {"A": changes.added, "M": changes.content, "R": changes.removed, "m": changes.metadata}
        for letter, paths in groups.items():
            for path in paths:
                self.detail(f"{letter} {shown(path)}")

    def step(self, step: Step) -> None:
        """One path of a rebuild and what was done about it."""
        if step.action is not Action.SAME:
            self.detail(f"{step.action.value} {shown(step.path)}" + (f": {step.reason}" if step.reason else ""))

    def fetched(self, fetched: Fetched) -> None:
        """The total of what came over the line."""
        rate = size_text(int(fetched.size / max(fetched.seconds, 0.001)))
        amount = f"{fetched.files} files, {size_text(fetched.size)}"
        self.say(f"{amount} in {fetched.seconds:.1f} s ({rate}/s), all checked.")

    def plan(self, preview: Preview) -> None:
        """What is going to be done about how many paths, and which accounts are lacking for it."""
        if preview.names_by:
            self.say(f"Owners and groups by name, as in {preview.names_by}.")
        self.say("\n".join(totals(preview.plan)))
        if preview.moved:
            self.say(f"{preview.moved:>8} paths elsewhere re-owned: their accounts get other numbers")
            for mover in preview.movers:
                self.say(f"         {mover}")
        if preview.commands:
            click.echo("pacha: accounts are lacking; what is theirs goes to root alone. To make them:", err=True)
            for command in preview.commands:
                click.echo(f"       {command}", err=True)

    def rebuilt(self, rebuilt: Rebuilt) -> None:
        """What a rebuild came to."""
        self.concerns(rebuilt.concerns)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(rebuilt.at))
        but = f"but for {len(rebuilt.concerns)} things named above, " if rebuilt.concerns else ""
        what = f"'{rebuilt.host}'" if not rebuilt.fetched.parts else f"Of '{rebuilt.host}', what was asked for"
        self.say(f"{what} is as it was on {when} (snapshot {rebuilt.tip[:12]}), {but}in {rebuilt.seconds:.1f} s.")
        if rebuilt.adopted:
            self.say(f"From now on this machine pushes as '{rebuilt.host}'.")

    def past(self, past: Past) -> str:
        """One rebuild that was, in one line."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(past.at))
        return f"rebuild of '{past.host}' on {when}, {past.state} ({past.id})"

    def concerns(self, concerns: Iterable[Concern]) -> None:
        """What a person should look at, on stderr."""
        for concern in concerns:
            click.echo(f"pacha: {shown(concern.path)}: {concern.reason}", err=True)

    def error(self, error: PachaError) -> None:
        """What failed, why, and what to do next: a line each, on stderr."""
        click.echo(f"pacha: {error.message}", err=True)
        if error.why:
            click.echo(f"       {error.why}", err=True)
        if error.hint:
            click.echo(f"       {error.hint}", err=True)


def no_config(place: str) -> str:
    """The boxed warning; ``place`` is where a configuration would be found."""
    return _NO_CONFIG.format(place=place)


def file_line(name: bytes, size: int, seconds: float) -> str:
    """``name 100% size rate time`` in the columns of scp(1): ``size`` in bytes, the rate in units a second."""
    number, unit = _scaled(size)
    rate, rate_unit = size / max(seconds, 0.001), "KB"
    scale = next((s for u, s in _UNITS[2:] if rate < s * 1000), 1 << 30) if rate >= 1000 << 10 else 1 << 10
    rate_unit = {s: u for u, s in _UNITS}[scale]
    text = shown(name)
    text = text if len(text) <= _NAME_WIDTH else text[: _NAME_WIDTH - 3] + "..."
    minutes, left = divmod(int(seconds + 0.5), 60)
    speed = f"{rate / scale:.1f}{rate_unit}/s"
    return f"{text:<{_NAME_WIDTH}} 100% {number:>4}{unit}{speed:>10}   {minutes:02d}:{left:02d}    "


def totals(plan: Plan) -> list[str]:
    """How many paths of ``plan`` become what, a line each, without those that are none."""
    counts = plan.totals
    words = _ACTIONS | ({Action.EXTRA: "not part of the snapshot, moved aside"} if plan.delete else {})
    return [f"{counts[action]:>8} {text}" for action, text in words.items() if counts.get(action)]


def size_text(size: int) -> str:
    """``size`` bytes for people."""
    number, unit = _scaled(size)
    return f"{number} {unit.strip() or 'bytes'}"


def _scaled(size: int) -> tuple[int, str]:
    for unit, scale in _UNITS:
        if size < 10000 * scale:
            return size // scale if scale == 1 else round(size / scale), unit
    return round(size / _UNITS[-1][1]), _UNITS[-1][0]
