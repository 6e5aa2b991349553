"""A rebuild: fetch and check a snapshot; plan it and carry it out as an Attempt."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from pacha.errors import PachaError
from pacha.fetch.fetch import fetch, temporary
from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.fetch.worker import WorkerProcess, import_meanwhile
from pacha.host.context import Context, check_host
from pacha.host.masters import connect
from pacha.machine.packages import installer
from pacha.rebuild import (
    accounts,
    choices,
    freshness,
    hooks,
    keep,
    last_word,
    packages,
    partial,
    proposing,
    source,
)
from pacha.rebuild.attempt import Attempt
from pacha.rebuild.carrying_out import carry_out, no_target
from pacha.rebuild.hooks import Hooks
from pacha.rebuild.options import DEFAULTS, RebuildOptions
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.result import SILENT, Rebuilt, Reporter
from pacha.text import escape
from pacha.wire.master import NoHost


def propose(
    context: Context,
    host: str,
    options: RebuildOptions = DEFAULTS,
    reporter: Reporter = SILENT,
    worker: WorkerProcess | None = None,
) -> Proposal:
    """Fetch and check everything, and return what a rebuild would do. Changes nothing; raises as ``rebuild``."""
    with _prepared(context, host, options, reporter, worker, only_looks=True) as (attempt, proposal):
        attempt.reporter.on_plan(proposal)
        return proposal


def rebuild(
    context: Context,
    host: str,
    options: RebuildOptions = DEFAULTS,
    reporter: Reporter = SILENT,
    worker: WorkerProcess | None = None,
) -> Rebuilt:
    """Restore every watched path of ``host``, in its place or below ``options.target``.

    ``worker`` checks in parallel. Raises UsageError, LockedError, UnreachableError, DamagedError (all before anything
    is changed), PachaError, and Signalled, which says how far it came. Paths that could not be restored are concerns.
    """
    with _prepared(context, host, options, reporter, worker) as (attempt, proposal):
        reporter.on_plan(proposal)
        packages.check(proposal.packages)
        wanted = packages.chosen(proposal.packages, options, lambda: reporter.wants_packages(proposal))
        proposal = replace(proposal, packages=wanted)
        reporter.confirm(proposal)
        return carry_out(attempt, proposal)


@contextmanager
def _prepared(
    context: Context,
    host: str,
    options: RebuildOptions,
    reporter: Reporter,
    worker: WorkerProcess | None,
    *,
    only_looks: bool = False,
) -> Iterator[tuple[Attempt, Proposal]]:
    """Fetch, check and plan; remove what was fetched after the body."""
    check_host(host)
    began = time.monotonic()
    if options.signers:
        context = replace(context, config=replace(context.config, signers=options.signers))
    target = os.path.realpath(options.target) if options.target else b""
    options = replace(options, target=target, keep=context.config.rebuild_keep)
    _check_options(options)  # before fetching
    with ExitStack() as stack:
        stack.enter_context(context.state.locked(options.wait_seconds, only_looks=only_looks))
        if not only_looks:
            installer.sweep_leftovers()
        options = choices.with_remembered(context, host, options)
        renumbering = partial.interrupted_renumbering(context, options)
        staging = stack.enter_context(_staging(context, host, options, reporter, worker))
        last_push = freshness.ask_meanwhile(staging)
        fetched = _fetch(staging, options)
        reporter.on_fetched(fetched)
        differences = freshness.compare(context, staging, fetched, options, last_push)
        signed, doubts = last_word.compare(context, staging, fetched, options, last_push)
        planned_hooks = Hooks()
        if options.hooks:
            planned_hooks = stack.enter_context(hooks.fetched(context.state.scratch, staging.master, host))
        attempt = Attempt(
            context=context, host=host, options=options, reporter=reporter, staging=staging, fetched=fetched,
            interrupted_renumbering=renumbering, began=began, differences=(*differences, *doubts), signed=signed,
        )  # fmt: skip
        yield attempt, proposing.propose(attempt, planned_hooks)


@contextmanager
def _staging(
    context: Context, host: str, options: RebuildOptions, reporter: Reporter, worker: WorkerProcess | None
) -> Iterator[Staging]:
    """Connect to a master and make a staging directory; close and remove both after the body."""
    if worker is None:
        import_meanwhile()
    master = source.local_history_source(context, host, options) or connect(context, context.master())

    def make() -> Staging:
        return Staging.make(
            context, host, master, reporter.on_file, reporter.on_expected, worker, options.identities
        )  # fmt: skip

    with closing(master), temporary(make) as staging:
        yield staging


def _check_options(options: RebuildOptions) -> None:
    """Raise UsageError, ConfigError, PachaError for an invalid owner map, pattern or target."""
    keep.rules(options.keep)
    if options.owner_map:
        accounts.read_map(options.owner_map)
    place = options.target
    while place and not os.path.lexists(place):
        place = os.path.dirname(place)
    if place and not os.path.isdir(place):
        raise no_target(options.target, f"{escape(place)} is not a folder")


def _fetch(staging: Staging, options: RebuildOptions) -> Fetched:
    try:
        return fetch(staging, options.at, options.asked, absent=options.delete, options=_as_asked(options))
    except NoHost as error:
        raise PachaError(
            f"There is no host '{staging.host}' on {staging.master.label}.",
            f"{error.message} {error.why}".strip(),
            "Look at its name on the master: pacha hosts",
            code="host-not-on-master",
        ) from None


def _as_asked(options: RebuildOptions) -> str:
    """The options of the command line that select target and parts, for a hint."""
    words = ["--target", escape(options.target)] if options.target else []
    words += [word for ways in options.asked.paths for word in ("--path", escape(ways[0]))]
    words += [word for name in options.asked.directories for word in ("--directory", name)]
    words += ["--signers", escape(options.signers)] if options.signers else []
    return f" {shlex.join(words)}" if words else ""
