"""The command line: click, the terminal, exit codes.

``app`` holds the group of all commands, ``commands/`` one module for each command. A command
    parses its options,
    calls one action from another folder,
    shows the result with ``ui/``,
    and returns an exit code.
It knows nothing of SSH, Mercurial and SQLite, and leaves every decision to the action.
"""

from __future__ import annotations

from pacha.cli.app import cli

__all__ = ["cli"]
