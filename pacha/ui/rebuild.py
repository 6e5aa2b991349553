"""Show the progress of a rebuild and its result."""

from __future__ import annotations

import sys
import termios
from contextlib import suppress
from dataclasses import dataclass, field

import click

from pacha.errors import PachaError
from pacha.fetch.fetched import Fetched
from pacha.rebuild import report
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.report import step_line
from pacha.rebuild.result import Rebuilt, Reporter
from pacha.rebuild.services import ServiceTask
from pacha.rebuild.undo import RebuildRecord
from pacha.restore.plan import Action, Step
from pacha.text import escape, local_second
from pacha.ui.console import Console, at_terminal, columns, size_text, wrapped
from pacha.ui.package_plan import command_lines, wants_packages
from pacha.ui.plan import hook_lines, plan_lines, question_lines, step_lines
from pacha.ui.progress import Progress, Style

_REMARK = "Nothing has been changed yet. What is replaced is kept for 'pacha undo'."


@dataclass(frozen=True, slots=True)
class RebuildConsole:
    """Prints through ``console``. ``asks``: confirm grave changes with the person at the terminal.

    ``lists``: show the plan path by path. ``style``: how to show received files.
    """

    console: Console
    asks: bool = False
    lists: bool = False
    style: Style = Style.AUTO
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "progress", Progress(self.style, self.console.say_meanwhile, quiet=self.console.quiet))

    def reporter(self) -> Reporter:
        """The callbacks of a rebuild."""
        progress = self.progress
        return Reporter(
            on_file=progress.file,
            on_fetched=self.fetched,
            on_plan=self.plan,
            confirm=self.confirm,
            wants_packages=self.wants_packages,
            on_hook=self.hook,
            on_task=self.task,
            on_step=self.step,
            on_expected=progress.expect,
        )

    def fetched(self, fetched: Fetched) -> None:
        """Print the total of the received files."""
        self.progress.finish()
        if not fetched.files:  # everything is on this machine
            return
        rate = size_text(int(fetched.size / max(fetched.seconds, 0.001)))
        amount = f"{fetched.files} files, {size_text(fetched.size)}"
        self.console.say_meanwhile(f"{amount} in {fetched.seconds:.1f} s ({rate}/s), all checked.")

    def plan(self, proposal: Proposal) -> None:
        """Print the plan: counts, hooks, and the accounts that are missing."""
        if self.lists:
            for line in step_lines(proposal, verbose=self.console.verbose):
                folds = at_terminal() and not line.startswith(" ")  # the lines of a diff are not wrapped
                click.echo(wrapped("", line, 9) if folds else line)
        for line in plan_lines(proposal):
            self.console.tell(line)
        if lines := command_lines(proposal.packages) if proposal.packages else []:
            self.console.say("The commands that install its packages:")
            for line in lines:
                self.console.say(f"    {line}")
        commands = proposal.preview.commands
        if commands:
            click.echo("pacha: accounts are missing; what is theirs goes to root alone. To make them:", err=True)
            for command in commands:
                click.echo(f"       {command}", err=True)

    def hook(self, run: HookRun) -> None:
        """Print a hook's result and output; for a failed one, on stderr even with --quiet."""
        first, *printed = hook_lines(run)
        if run.failure:
            self.console.warn(first)
            for line in printed:
                click.echo(f"     {line}", err=True)
        else:
            self.console.say("\n".join([first, *printed]))

    def task(self, task: ServiceTask) -> None:
        """Say what is done after the files."""
        self.console.say_meanwhile(f"{task.about}: {' '.join(task.argv)}")

    def step(self, step: Step) -> None:
        """Print one path and its action, if verbose."""
        if self.console.verbose and step.action is not Action.SAME:
            self.console.detail(step_line(step))

    def rebuilt(self, rebuilt: Rebuilt) -> None:
        """Print the result of a rebuild."""
        self.console.concerns(rebuilt.concerns)
        for line in report.summary(rebuilt):
            self.console.tell(line)

    def confirm(self, proposal: Proposal) -> None:
        """Ask again where existing files would be replaced, or where not everything can be restored."""
        if self.asks and proposal.is_grave:
            confirm_at_terminal(self.console, "\n".join([*question_lines(proposal), _REMARK]))

    def wants_packages(self, proposal: Proposal) -> bool:
        """Ask whether to install the packages that are missing."""
        if not self.asks or proposal.packages is None:
            return False
        _forget_what_was_typed()
        return wants_packages(proposal.packages)


def confirm_at_terminal(console: Console, about: str) -> None:
    """``console.confirm``, answered at a terminal once ``about`` is shown: piped or earlier input does not count.

    Raises PachaError.
    """
    if not sys.stdin.isatty():
        raise PachaError(
            "Nothing was done.",
            "this takes the place of what is here, and nobody is at a terminal to be asked about that",
            "Look at it with --dry-run; --yes asks nothing.",
            code="not-confirmed",
        )
    _forget_what_was_typed()
    console.confirm(about)


def _forget_what_was_typed() -> None:
    """An Enter from before the question is no answer to it."""
    with suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def past_line(record: RebuildRecord) -> str:
    """A past rebuild in one line, without its id where the terminal is too narrow."""
    when = local_second(record.at)
    below = f" below {escape(record.target)}" if record.target else ""
    line = f"rebuild of '{record.host}'{below} on {when}, {record.state}"
    full = f"{line} ({record.id})"
    return full if not at_terminal() or len(full) < columns() else line
