"""The command line: click, the terminal, exit codes. A command parses, calls one action, shows, returns."""

from __future__ import annotations

from pacha.cli import host, masters, past, rebuilding, setup
from pacha.cli.app import cli

__all__ = ["cli", "host", "masters", "past", "rebuilding", "setup"]
