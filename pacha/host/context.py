"""This machine as Pacha sees it: its configuration, its state folder, its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacha.config.keys import HOST_NAME, HOST_NAME_MAX
from pacha.errors import ConfigError, UsageError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.config.config import Config
    from pacha.store.state import StateFolder


@dataclass(frozen=True, slots=True)
class Context:
    """The configuration and the state folder, which every action gets."""

    config: Config
    state: StateFolder

    def hostname(self) -> str:
        """The name as which this machine pushes: ``pacha.hostname``, else the adopted one, else ``uname -n``.

        Raises ConfigError for an invalid name.
        """
        adopted = self.state.read().hostname
        name = self.config.hostname or adopted or os.uname().nodename.partition(".")[0]
        if not HOST_NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot be the name of a host.",
                f"letters, digits, '.', '_' and '-' only, {HOST_NAME_MAX} at most",
                "Set pacha.hostname in the configuration.",
                code="invalid-hostname",
            )
        return name

    def master(self) -> str:
        """The master to talk to. Raises ConfigError when none is set."""
        return self.config.masters()[0]


def check_host(host: str) -> str:
    """Return ``host`` if it is valid, as it becomes part of a path on the master. Raises UsageError."""
    if not HOST_NAME.fullmatch(host):
        raise UsageError(
            f"'{escape(os.fsencode(host[:80]))}' cannot be the name of a host.",
            f"letters, digits, '.', '_', '-' only, {HOST_NAME_MAX} at most",
            "Use a name that 'pacha hosts' shows on the master.",
            code="invalid-host-name",
        )
    return host
