"""Load the configuration file, if it is a text that only trusted users can change."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from pacha.config.config import Config
from pacha.config.parse import ConfigFaults, Fault, parse_config
from pacha.errors import ConfigError
from pacha.system.trust import untrusted
from pacha.text import printable

_MOST_BYTES = 1 << 20  #: anything longer is not a configuration


def load_config(path: Path) -> Config:
    """Return the configuration in ``path``. Raises ConfigError with everything that is wrong with it.

    Root refuses a file that another user could change: it decides which programs run and which master is trusted.
    """
    try:
        text = _read(path)
    except UnicodeDecodeError as error:
        raise ConfigFaults(path, [Fault("", f"byte {error.start + 1} is not UTF-8")]) from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(
            f"{printable(str(path))}: cannot be read.",
            reason,
            "Check the path and its mode.",
            code="configuration-unreadable",
        ) from None
    return parse_config(text, path)


def _read(path: Path) -> str:
    with open(path, "rb", opener=_opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(
                f"{printable(str(path))}: not a file.",
                "it is a special file",
                "Name the right file.",
                code="configuration-not-a-file",
            )
        if os.geteuid() == 0:
            _refuse_writers(path)
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ConfigError(
            f"{printable(str(path))}: not a configuration.",
            f"it is larger than {_MOST_BYTES} bytes",
            "Name the right file.",
            code="not-a-configuration",
        )
    return data.decode("utf-8-sig")


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO must not block us


def _refuse_writers(path: Path) -> None:
    """Raise ConfigError where a user other than root could change or replace the file."""
    if found := untrusted(path, (0,)):
        name = printable(str(found[0]))
        raise ConfigError(
            f"{printable(str(path))}: not to be trusted.",
            f"a user other than root may write to {name}, and root obeys this file",
            f"Run: chown root:root {shlex.quote(name)} && chmod go-w {shlex.quote(name)}",
            code="configuration-not-trusted",
        )
