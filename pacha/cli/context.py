"""The global options, and what every command needs: this machine, its state, the console."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pacha.config.load import (
    SYSTEM_FILE,
    Config,
    find_config,
    is_configured_for_root,
    load_config,
    parse_config,
    state_folder,
)
from pacha.errors import ConfigError, UsageError
from pacha.host.context import Context
from pacha.server.role import is_master_alone, of_master
from pacha.system import details
from pacha.system.home import own_home
from pacha.ui.console import Console, no_config

if TYPE_CHECKING:
    from pacha.rebuild.source import MasterOffer
    from pacha.store.state import StateFolder


@dataclass(frozen=True, slots=True)
class CliContext:
    """The global options, and what they decide."""

    config: str | None
    quiet: bool
    verbose: bool

    def __post_init__(self) -> None:
        if self.verbose and not self.quiet:
            details.listen(self.console.warn)

    @property
    def console(self) -> Console:
        """The console to print to."""
        return Console(quiet=self.quiet, verbose=self.verbose)

    def silenced(self, silent: bool) -> CliContext:
        """The same; if ``silent``, it prints only what is wrong."""
        return replace(self, quiet=self.quiet or silent)

    def load(self) -> Config:
        """The configuration. Raises ConfigError, and shows the boxed warning when there is none."""
        if self.found() is None and not self.is_roots():
            click.echo(no_config(str(self.usual_place())), err=True)
        loaded = self.load_quietly()
        for warning in loaded.warnings:
            click.echo(f"pacha: {warning}", err=True)
        return loaded

    def load_of_master(self, *, quietly: bool = False) -> Config:
        """The configuration, or the defaults on a master that has none. Raises ConfigError."""
        if self.found() or self.is_roots():
            return self.load_quietly() if quietly else self.load()
        return parse_config("[DEFAULT]\n", self.usual_place())

    def master_config(self) -> Config:
        """The same, for a command that works on a master only. Raises ConfigError, UsageError on any other machine."""
        return of_master(self.load_of_master())

    def is_roots(self) -> bool:
        """Whether this user is not root, and has no configuration, but root has one. Raises ConfigError, PachaError."""
        return os.geteuid() != 0 and self.found() is None and is_configured_for_root()

    def found(self) -> Path | None:
        """The path of the configuration, None for none. Raises ConfigError, PachaError."""
        return find_config(self.config, os.environ, self.state().read().config or None, os.geteuid() == 0)

    def load_quietly(self) -> Config:
        """The configuration; the caller shows its warnings. Raises ConfigError."""
        path = self.found()
        if path is None and self.is_roots():
            raise ConfigError(
                "Pacha is configured for root on this machine, not for this user.",
                f"this user's configuration would be {self.usual_place()}",
                "Run this as root (sudo); or, for files of your own: pacha init",
                code="configured-for-root",
            )
        if path is None:
            raise ConfigError(
                "There is no configuration.",
                f"none is at {self.usual_place()}",
                "Write one: pacha init",
                code="no-configuration",
            )
        return load_config(path)

    def usual_place(self) -> Path:
        """The default path of the configuration."""
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path(own_home(os.environ), ".config"))
        return SYSTEM_FILE if os.geteuid() == 0 else base / "pacha" / "pacha.conf"

    def context(self) -> Context:
        """This machine: its configuration and its state folder."""
        return Context(self.load(), self.state())

    def history_context(self, host: str) -> Context:
        """As ``context``; the defaults on a master without a configuration, if one of its hosts is named."""
        if host and self.found() is None and not self.is_roots():
            config = self.load_of_master(quietly=True)
            if is_master_alone(config):
                return Context(config, self.state())
        return self.context()

    def quiet_context(self) -> Context:
        """As ``context``, but the caller shows the warnings."""
        return Context(self.load_quietly(), self.state())

    def state(self) -> StateFolder:
        """Pacha's folder on this machine."""
        from pacha.store.state import StateFolder  # --help does not need it

        return StateFolder(state_folder(os.environ, os.geteuid() == 0))

    def record_config(self, path: Path) -> None:
        """Remember the path of the configuration."""
        self.state().update(config=str(path))


def ask_which(offers: list[MasterOffer]) -> str:
    """Let a person choose between masters that have different snapshots. Raises UsageError for no choice."""
    click.echo("No master has all that the others have:")
    for number, offer in enumerate(offers, 1):
        click.echo(f"{number:>3}  {offer.name}: snapshot {offer.tip[:12]}")
    click.echo("Which one? Its number, or Ctrl-C to cancel:")
    answer = sys.stdin.readline().strip()
    if answer not in {str(number) for number in range(1, len(offers) + 1)}:
        raise UsageError(
            "Nothing was done.", "no master was chosen", "Say which with --from MASTER.", code="no-master-chosen"
        )
    return offers[int(answer) - 1].name
