"""Show a rebuild while it goes on, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from pacha.fetch.staging import Fetched
from pacha.rebuild import report
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.report import step_line
from pacha.rebuild.result import Rebuilt, Reporter
from pacha.rebuild.undo import RebuildRecord
from pacha.restore.plan import Action, Step
from pacha.text import escape, local_second
from pacha.ui.console import Console, at_terminal, columns, size_text, wrapped
from pacha.ui.plan import hook_lines, plan_lines, question_lines, step_lines
from pacha.ui.progress import Progress, Style

_REMARK = "Nothing has been changed yet. What is replaced is kept for 'pacha undo'."


@dataclass(frozen=True, slots=True)
class RebuildConsole:
    """Prints by way of ``console``; ``asks``: somebody sits at a terminal and is asked before a grave change.

    ``lists``: the plan is shown path by path. ``style``: how the files that come are shown.
    """

    console: Console
    asks: bool = False
    lists: bool = False
    style: Style = Style.AUTO
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "progress", Progress(self.style, self.console.say, quiet=self.console.quiet))

    def reporter(self) -> Reporter:
        """Whom a rebuild is to tell."""
        progress = self.progress
        return Reporter(
            on_file=progress.file,
            on_fetched=self.fetched,
            on_plan=self.plan,
            confirm=self.confirm,
            on_hook=self.hook,
            on_step=self.step,
            on_expected=progress.expect,
        )

    def fetched(self, fetched: Fetched) -> None:
        """The total of what came over the line."""
        self.progress.finish()
        if not fetched.files:  # it is all here
            return
        rate = size_text(int(fetched.size / max(fetched.seconds, 0.001)))
        amount = f"{fetched.files} files, {size_text(fetched.size)}"
        self.console.say(f"{amount} in {fetched.seconds:.1f} s ({rate}/s), all checked.")

    def plan(self, proposal: Proposal) -> None:
        """What is going to be done about how many paths, which accounts are missing for it; the second question."""
        if self.lists:
            for line in step_lines(proposal, verbose=self.console.verbose):
                folds = at_terminal() and not line.startswith(" ")  # what differs within a text stays as it is
                click.echo(wrapped("", line, 9) if folds else line)
        for line in plan_lines(proposal):
            self.console.tell(line)
        commands = proposal.preview.commands
        if commands:
            click.echo("pacha: accounts are missing; what is theirs goes to root alone. To make them:", err=True)
            for command in commands:
                click.echo(f"       {command}", err=True)

    def hook(self, ran: HookRun) -> None:
        """A hook that ran, and what it printed; of one that failed on stderr, whatever was to be left out."""
        first, *printed = hook_lines(ran)
        if ran.failure:
            self.console.warn(first)
            for line in printed:
                click.echo(f"     {line}", err=True)
        else:
            self.console.say("\n".join([first, *printed]))

    def step(self, step: Step) -> None:
        """One path of a rebuild and what was done about it."""
        if self.console.verbose and step.action is not Action.SAME:
            self.console.detail(step_line(step))

    def rebuilt(self, rebuilt: Rebuilt) -> None:
        """What a rebuild came to."""
        self.console.concerns(rebuilt.concerns)
        for line in report.summary(rebuilt):
            self.console.tell(line)

    def confirm(self, proposal: Proposal) -> None:
        """Ask once more where something that is there would be replaced, or less than all can be restored."""
        if self.asks and proposal.is_grave:
            self.console.confirm("\n".join([*question_lines(proposal), _REMARK]))


def past_line(past: RebuildRecord) -> str:
    """One rebuild that was, in one line; the name of its folder goes where the line does not fit the terminal."""
    when = local_second(past.at)
    below = f" below {escape(past.target)}" if past.target else ""
    line = f"rebuild of '{past.host}'{below} on {when}, {past.state}"
    full = f"{line} ({past.id})"
    return full if not at_terminal() or len(full) < columns() else line
