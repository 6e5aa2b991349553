"""The file of recipients: an age recipient or an SSH public key on each line, comments after ``#``.

It is this machine's own word. Whoever could write it could read every secret from the next push on. So it is refused if
others could change it, as a program is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import ConfigError, cause
from pacha.sealing.age import Recipient
from pacha.system.trust import UntrustedError, read_trusted
from pacha.text import escape, printable

_LARGEST = 1 << 16  #: bytes of the file
_MOST = 20  #: recipients; each makes every sealed file larger


@dataclass(frozen=True, slots=True)
class Recipients:
    """For whom this machine seals. ``fingerprint`` changes with them, not with their order or comments."""

    keys: tuple[Recipient, ...]
    fingerprint: str

    @property
    def warning(self) -> str:
        """What is wrong with them, "" for nothing."""
        if len(self.keys) > 1:
            return ""
        return "there is one recipient: if its identity is lost, so is all that is sealed; add one that is kept offline"


def read(path: str | None) -> Recipients:
    """The recipients in the file ``path``. Raises ConfigError."""
    if not path:
        raise _refused("pacha.seal is set, and pacha.seal.to is not", "it names the file of those who can open it")
    try:
        text = read_trusted(Path(path), _LARGEST)
    except UntrustedError as error:
        what = f"The recipients in {printable(path)} cannot be trusted"
        raise _refused(what, f"{escape(error.place)}: {error.why}") from None
    except OSError as error:
        raise _refused(f"The recipients in {printable(path)} cannot be read", cause(error).lower()) from None
    return _parsed(text, printable(path))


def _parsed(text: bytes, name: str) -> Recipients:
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    keys: dict[str, Recipient] = {}
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#"):
            try:
                key = Recipient(line)
            except ValueError as error:
                raise _refused(f"Line {number} of {name} is not a recipient", str(error)) from None
            keys[key.text] = key
    if not keys or len(text) > _LARGEST or len(keys) > _MOST:
        raise _refused(f"{name} has no recipients that can be used", f"it has {len(keys)}; the most are {_MOST}")
    fingerprint = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
    return Recipients(tuple(keys.values()), fingerprint)


def _refused(what: str, why: str) -> ConfigError:
    return ConfigError(
        f"{what}; nothing was pushed.",
        why,
        "Put an age recipient or an SSH public key on each line, and make the file root's alone (or its user's).",
        code="recipients-unusable",
    )
