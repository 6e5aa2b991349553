"""What the operator asked for: the keys of a configuration file as typed fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pacha.config.keys import KEYS, STANDALONE
from pacha.errors import ConfigError
from pacha.text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the operator asked for.

    ``hosts`` are the masters (host names, aliases of ssh_config(5) or addresses; ``("local",)`` is
    standalone; empty: none given). ``ssh_user``, ``ssh_port``, ``ssh_key``, ``ssh_known_hosts`` and
    ``hostname`` are None where ssh's own configuration or the machine decides, ``ssh_command`` where Pacha logs in
    itself. ``ssh_timeout`` and ``before_push_timeout`` are in seconds. ``hosts_path`` is absolute, normalised bytes.
    ``frequency`` is in hours. ``exclude``, ``seal``, ``rebuild_keep``, ``drift_ignore`` and ``secret`` are patterns;
    ``seal_to`` is a path; ``rebuild_hardware`` is "auto", "same" or "other". ``keep`` is an age as
    ``keys.age_seconds`` reads it, None for all; ``keep_monthly`` are months. ``hg_command`` is an argv. ``sign_key`` is
    a path, "no", or None for the usual key. ``warnings`` are lines for the user; ``given`` is the file's own text by
    key.
    """

    hosts: tuple[str, ...]
    ssh_user: str | None
    ssh_port: int | None
    ssh_key: str | None
    ssh_known_hosts: str | None
    ssh_timeout: int
    ssh_command: str | None
    hosts_path: bytes
    frequency: float
    hostname: str | None
    exclude: tuple[str, ...]
    seal: tuple[str, ...]
    seal_to: str | None
    one_filesystem: bool
    before_push_timeout: int
    rebuild_keep: tuple[str, ...]
    rebuild_hardware: str
    drift_ignore: tuple[str, ...]
    secret: tuple[str, ...]
    keep: str | None
    keep_monthly: int
    hooks: bool
    hg_command: tuple[str, ...]
    sign_key: str | None
    signers: str | None
    signers_revoked: str | None
    ping: str | None
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()

    def values(self) -> list[tuple[str, str, Literal["file", "default"]]]:
        """Return (key, text, where from) of every key, in the order of ``KEYS``."""
        given = dict(self.given)
        return [
            (key.name, printable(" ".join(given[key.name].split())), "file")
            if key.name in given
            else (key.name, key.default, "default")
            for key in KEYS
        ]

    @property
    def before_push(self) -> Path | None:
        """The folder of the before-push programs, which need not exist: it is beside the file."""
        return self.path and self.path.parent / "before-push.d"

    def masters(self) -> tuple[str, ...]:
        """Return ``hosts``. Raises ConfigError where none is set, for a host needs one."""
        if self.hosts:
            return self.hosts
        where = printable(str(self.path)) if self.path else "the configuration"
        raise ConfigError(
            f"{where}: pacha.host is not set.",
            "without it there is no master to push to or to rebuild from",
            f"Add a line such as 'pacha.host = master.example.com', or 'pacha.host = {STANDALONE}'. A master itself "
            "needs none: pacha hosts shows how its hosts stand.",
            code="no-master-configured",
        )
