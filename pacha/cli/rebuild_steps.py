"""The steps of ``pacha rebuild``: choose a master, confirm, show the plan or carry it out, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.cli.context import CliContext, ask_which
from pacha.cli.identity import read_identities
from pacha.errors import DamagedError, ExitCode, PachaError, UsageError
from pacha.fetch.worker import WorkerProcess
from pacha.host import runner
from pacha.host.context import Context, check_host
from pacha.host.masters import whereabouts
from pacha.rebuild import interruption, rebuild, report, report_json
from pacha.rebuild.living import LivingMachine, living_machine
from pacha.rebuild.options import (
    AccountPolicy,
    HardwarePolicy,
    LabelPolicy,
    PackagePolicy,
    RebuildOptions,
    ServicePolicy,
)
from pacha.rebuild.source import choose_master, local_history_source
from pacha.store.selection import Selection, path_candidates
from pacha.text import escape
from pacha.ui.console import print_json
from pacha.ui.plan import machine_lines
from pacha.ui.progress import Style
from pacha.ui.rebuild import RebuildConsole
from pacha.ui.spinner import waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRequest:
    """The options of the command line, under click's names."""

    host: str
    at: str
    paths: tuple[str, ...]
    directories: tuple[str, ...]
    target: str | None
    identities: tuple[str, ...]
    delete: bool
    owner_map: str | None
    accounts: str | None
    hardware: str | None
    services: str | None
    selinux: str
    packages: str | None
    hooks: bool
    dry_run: bool
    as_json: bool
    progress: str | None
    master: str
    signers: str | None
    wait: float
    yes: bool

    @property
    def asks(self) -> bool:
        """Whether a person confirms before anything is fetched."""
        return not (self.yes or self.dry_run)

    @property
    def style(self) -> Style:
        """The style of the progress display."""
        return Style(self.progress or "auto")

    def options(self, context: Context) -> RebuildOptions:
        """The options for the rebuild. A rehearsal or a part runs hooks only if the command line says so."""
        partial = bool(self.target or self.paths or self.directories or self.at)
        return RebuildOptions(
            target=os.path.realpath(os.fsencode(self.target)) if self.target else b"",
            delete=self.delete,
            owner_map=Path(self.owner_map) if self.owner_map else None,
            accounts=AccountPolicy(self.accounts) if self.accounts else None,
            hardware=HardwarePolicy(self.hardware) if self.hardware else None,
            services=ServicePolicy(self.services) if self.services else None,
            labels=LabelPolicy(self.selinux),
            packages=PackagePolicy(self.packages) if self.packages else None,
            hooks=self.hooks or (context.config.hooks and not partial),
            at=self.at,
            asked=Selection(tuple(path_candidates(os.fsencode(path)) for path in self.paths), self.directories),
            wait_seconds=self.wait,
            by_master=bool(self.master),
            signers=os.path.abspath(self.signers) if self.signers is not None else "",
            identities=read_identities(self.identities),
        )


def run(cli_context: CliContext, request: RebuildRequest, worker: WorkerProcess | None) -> ExitCode:
    """Carry out the request; ``worker`` reads and checks in parallel."""
    context = cli_context.context()
    with interruption.explained(os.fsencode(context.state.path)):
        check_host(request.host)
        options = request.options(context)
        living = living_machine(context, request.host, options)
        _check_asking(request, living)
        is_local = local_history_source(context, request.host, options) is not None
        masters = context.config.masters()
        if not is_local:
            ask, warn = ask_which if request.asks else None, cli_context.console.warn
            context, unchosen = choose_master(context, request.host, request.master, ask, warn, request.wait)
            options = replace(options, others=unchosen)
        other_masters = [] if is_local else [name for name in masters if name not in context.config.masters()]
        with _naming(other_masters):
            machine = [*machine_lines(living, request.host)] if living else []
            _begin(cli_context, "\n".join([*machine, _about(context, options, request, own=is_local)]), request)
            step = _show_plan if request.dry_run else _carry_out
            with waiting(quiet=cli_context.quiet):
                return step(cli_context, context, request, options, worker)


def _about(context: Context, options: RebuildOptions, request: RebuildRequest, *, own: bool) -> str:
    """The text to confirm: where the files come from, and which are selected."""
    lines = [whereabouts(context, own=own) + f"Host to rebuild: {request.host}"]
    if request.at:
        lines.append(f"As it was:       {escape(request.at)}")
    parts = [*(candidates[0] for candidates in options.asked.paths), *map(os.fsencode, request.directories)]
    return "\n".join([*lines, *(f"Only:            {escape(part)}" for part in parts)])


@contextmanager
def _naming(other_masters: Sequence[str]) -> Iterator[None]:
    """Suggest one of ``other_masters``, which were not tried, where the body finds damage."""
    try:
        yield
    except DamagedError as error:
        if not other_masters:
            raise
        raise error.with_advice(f"Another master may have it intact: --from {other_masters[0]}") from None


def _check_asking(request: RebuildRequest, living: LivingMachine | None) -> None:
    """Raise UsageError, PachaError where a confirmation is needed and nobody can give it."""
    if request.asks and request.as_json:
        raise UsageError(
            "--json goes with --dry-run or --yes.",
            "nobody can be asked where only JSON is printed",
            "Add one.",
            code="json-needs-yes",
        )
    if request.asks and living and not sys.stdin.isatty():
        raise PachaError(
            f"Nothing was done: this machine is '{escape(os.fsencode(living.name))}'.",
            f"its own files would be replaced by those of '{request.host}', and nobody is at a terminal to be asked",
            "If that is meant: --yes; to look at the files in a folder: --target",
            code="machine-is-another-host",
        )


def _begin(cli_context: CliContext, about: str, request: RebuildRequest) -> None:
    if request.asks:
        cli_context.console.confirm(about)
    elif not request.as_json:
        cli_context.console.say(about)


def _show_plan(
    cli_context: CliContext,
    context: Context,
    request: RebuildRequest,
    options: RebuildOptions,
    worker: WorkerProcess | None,
) -> ExitCode:
    silent = cli_context.silenced(request.as_json).console
    console = RebuildConsole(silent, lists=not request.as_json, style=request.style)
    with console.progress:
        proposed = rebuild.propose(context, request.host, options, console.reporter(), worker)
    if request.as_json:
        print_json(report_json.proposal_json(proposed))
    else:
        cli_context.console.concerns(proposed.concerns)
        cli_context.console.say("Nothing was changed.")
    return ExitCode.CONCERNS if proposed.concerns else ExitCode.DONE


def _carry_out(
    cli_context: CliContext,
    context: Context,
    request: RebuildRequest,
    options: RebuildOptions,
    worker: WorkerProcess | None,
) -> ExitCode:
    silent = cli_context.silenced(request.as_json).console
    console = RebuildConsole(silent, asks=request.asks, style=request.style)
    with console.progress:
        rebuilt = rebuild.rebuild(context, request.host, options, console.reporter(), worker)
    with interruption.told(report.how_it_stands(rebuilt), f"Report: {rebuilt.report}"):
        console.rebuilt(rebuilt)
        if request.as_json:
            print_json(report_json.as_json(rebuilt))
    idle = runner.idle() if rebuilt.adopted else None
    if idle:
        cli_context.console.warn(f"nothing runs the schedule of '{escape(request.host)}' here: {idle.words}")
    return ExitCode.CONCERNS if rebuilt.concerns or idle else ExitCode.DONE
