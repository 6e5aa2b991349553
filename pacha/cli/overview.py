"""``pacha`` alone: how things stand, and what to do next."""

from __future__ import annotations

import click

from pacha.cli.context import CliContext
from pacha.errors import PachaError
from pacha.host import overview
from pacha.ui.overview import overview_text


def show_overview(cli_context: CliContext) -> None:
    """Print one screen. An error is part of it, and not raised."""
    try:
        if cli_context.found() is not None:
            facts = overview.overview(cli_context.quiet_context())
        else:
            facts = overview.of_root() if cli_context.is_roots() else overview.none()
    except PachaError as error:
        facts = overview.faulty(error)
    click.echo(overview_text(facts))
