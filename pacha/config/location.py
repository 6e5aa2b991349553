"""Find the configuration file and the state folder of a user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pacha.errors import ConfigError
from pacha.system.home import own_home
from pacha.text import printable

SYSTEM_FILE = Path("/etc/pacha/pacha.conf")
_STATE_OF_ROOT = Path("/var/lib/pacha")


def find_config(
    explicit: str | None,
    environ: Mapping[str, str],
    recorded: str | None,
    is_root: bool,
    system_file: Path = SYSTEM_FILE,
) -> Path | None:
    """Return the configuration file to use, or None where there is none.

    In this order: ``explicit`` (``--config``), ``$PACHA_CONFIG``, ``recorded`` (by add-config), then
    ``system_file`` for root and ``$XDG_CONFIG_HOME/pacha/pacha.conf`` for anybody else. A file that was named
    and does not exist raises ConfigError: without it, Pacha would push to the wrong master or to none.
    """
    candidates = (
        (explicit, "--config", "Check the path."),
        (environ.get("PACHA_CONFIG"), "$PACHA_CONFIG", "Check the path, or unset the variable."),
        (recorded, "pacha add-config", "Put the file back, or name another: pacha add-config FILE."),
    )
    for text, by, hint in candidates:
        if text is None or (text == "" and by == "$PACHA_CONFIG"):
            continue
        if text == "" or not os.path.lexists(text):
            raise ConfigError(
                f"'{printable(text)}': no such configuration file.",
                f"{by} names it",
                hint,
                code="configuration-missing",
            )
        return Path(os.path.abspath(text))
    usual = system_file if is_root else _xdg(environ, "XDG_CONFIG_HOME", ".config") / "pacha.conf"
    return usual if os.path.lexists(usual) else None


def is_configured_for_root(system_file: Path = SYSTEM_FILE, state: Path = _STATE_OF_ROOT) -> bool:
    """Whether root has a configuration or a state folder in the usual place, as far as this user can see."""
    for path in (system_file, state):
        try:
            os.lstat(path)
            return True
        except PermissionError:  # the folder exists, and this user may not enter it
            return True
        except OSError:
            continue
    return False


def state_folder(environ: Mapping[str, str], is_root: bool) -> Path:
    """Return Pacha's folder: ``$PACHA_STATE``, else /var/lib/pacha (root) or the user's state folder."""
    if environ.get("PACHA_STATE"):
        return Path(os.path.abspath(environ["PACHA_STATE"]))
    return _STATE_OF_ROOT if is_root else _xdg(environ, "XDG_STATE_HOME", ".local/state")


def _xdg(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    """Return Pacha's folder by the XDG Base Directory Specification, which ignores relative paths."""
    base = environ.get(variable, "")
    if not os.path.isabs(base):
        base = os.path.join(own_home(environ), below_home)
    return Path(base, "pacha")
