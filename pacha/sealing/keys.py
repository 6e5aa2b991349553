"""The keys of the digests of sealed contents: in the state folder, and each sealed for the recipients beside pacha.db.

``seal-keys`` in ``db`` has a line for each key that an entry still names, the newest first: its id in hexadecimal, a
blank, and in base64 an age file with ``{"key": ..., "recipients": ..., "patterns": [...]}``. When the recipients
change, a new key is made, so that a former recipient learns nothing of what follows. The patterns of ``pacha.seal``
stand with the key, because only the host can write a key that fits its sealed contents: nobody else can put other
patterns there.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pacha.errors import ConfigError, DamagedError, PachaError
from pacha.files.keyed import ID_SIZE, KEY_SIZE
from pacha.sealing import age
from pacha.sealing.age import SealIdentities
from pacha.sealing.recipients import Recipients
from pacha.system.atomic import replace_file

FILE = "seal-keys"  #: in the state folder
_LINE = re.compile(rb"([0-9a-f]{16}) ([A-Za-z0-9+/]{1,65536}={0,2})\Z")
_MOST = 64  #: keys
_LARGEST = 4 << 20  #: bytes of the text
_MOST_PATTERNS, _LONGEST_PATTERN = 1000, 1000
_LARGEST_PATTERNS = 32 << 10  #: bytes together, so that a sealed key fits into its line


@dataclass(frozen=True, slots=True, kw_only=True)
class SealKey:
    """A key: its ``id``, itself ``sealed``; ``secret`` is b"" where nobody opened it here.

    ``recipients``: the fingerprint of those that it is sealed for, "" where that is not known; ``patterns``: what the
    host sealed with it. ``is_adopted``: it came from a master, unsigned: nothing new is sealed with it.
    """

    id: bytes
    sealed: bytes = field(repr=False)
    secret: bytes = field(default=b"", repr=False)
    recipients: str = ""
    patterns: tuple[str, ...] = ()
    is_adopted: bool = False


def make(recipients: Recipients, patterns: Sequence[str] = ()) -> SealKey:
    """A new random key, sealed for the ``recipients``, with the ``patterns`` of what it is for. Raises ConfigError."""
    new = SealKey(id=secrets.token_bytes(ID_SIZE), sealed=b"", secret=secrets.token_bytes(KEY_SIZE))
    return sealed_for(new, recipients, patterns)


def sealed_for(key: SealKey, recipients: Recipients, patterns: Sequence[str]) -> SealKey:
    """The same key, whose secret is known, sealed again for the ``recipients`` with these ``patterns``.

    Raises ConfigError for more of these than a reader takes.
    """
    if len(patterns) > _MOST_PATTERNS or len(json.dumps(list(patterns))) > _LARGEST_PATTERNS:
        raise ConfigError(
            "pacha.seal has too many patterns; nothing was pushed.",
            f"they are kept with each snapshot: at most {_MOST_PATTERNS} of {_LARGEST_PATTERNS:,} bytes together",
            "Seal folders in the place of single files.",
            code="seal-too-long",
        )
    values = {"key": key.secret.hex(), "recipients": recipients.fingerprint, "patterns": list(patterns)}
    sealed = age.seal(json.dumps(values).encode("ascii"), recipients.keys)
    return replace(key, sealed=sealed, recipients=recipients.fingerprint, patterns=tuple(patterns))


def open_key(key: SealKey, identities: SealIdentities) -> SealKey:
    """``key`` with its secret. Raises ``age.NotOpened``, ValueError where it holds something else."""
    try:
        loaded = json.loads(age.opened(key.sealed, identities))
        secret, recipients = bytes.fromhex(loaded["key"]), loaded["recipients"]
        patterns = tuple(str(pattern)[:_LONGEST_PATTERN] for pattern in loaded.get("patterns", ())[:_MOST_PATTERNS])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("it holds something else") from None
    if len(secret) != KEY_SIZE or not isinstance(recipients, str) or not re.fullmatch("[0-9a-f]{64}", recipients):
        raise ValueError("it holds something else")
    return replace(key, secret=secret, recipients=recipients, patterns=patterns)


def encode(keys: Collection[SealKey]) -> bytes:
    """The text beside pacha.db; it has no secret."""
    return b"".join(b"%s %s\n" % (key.id.hex().encode("ascii"), base64.b64encode(key.sealed)) for key in keys)


def decode(text: bytes) -> tuple[SealKey, ...]:
    """The keys of a text beside pacha.db, which may come from elsewhere. Raises DamagedError."""
    matches = [_LINE.match(line) for line in text[:_LARGEST].splitlines()]
    found = [(bytes.fromhex(match[1].decode()), match[2]) for match in matches if match]
    try:
        if len(text) > _LARGEST or not 0 < len(found) == len(matches) <= _MOST or len(dict(found)) < len(found):
            raise ValueError
        return tuple(SealKey(id=key, sealed=base64.b64decode(sealed, validate=True)) for key, sealed in found)
    except ValueError:
        raise DamagedError(
            "The keys of the sealed digests are not as a push writes them.",
            "what the snapshot calls 'seal-keys' has another form",
            "Choose another snapshot with --at.",
            code="seal-keys-damaged",
        ) from None


def read(folder: Path) -> dict[bytes, SealKey]:
    """The keys in the state folder by id, the newest first; none before the first. Raises PachaError."""
    try:
        loaded = json.loads((folder / FILE).read_bytes())
        keys = [
            SealKey(
                id=bytes.fromhex(each["id"]),
                sealed=base64.b64decode(each["sealed"]),
                secret=bytes.fromhex(each["key"]),
                recipients=str(each["recipients"]),
                patterns=tuple(map(str, each.get("patterns", ()))),
                is_adopted=each.get("adopted") is True,
            )
            for each in loaded
        ]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PachaError(
            f"{folder / FILE} cannot be read.",
            str(error),
            "Move it aside and push: everything sealed is sealed anew then.",
            code="seal-keys-unreadable",
        ) from None
    return {key.id: key for key in keys}


def secrets_in(folder: Path) -> dict[bytes, bytes]:
    """The secrets that are in the state folder, by id of their keys. Raises PachaError."""
    return {key.id: key.secret for key in read(folder).values() if key.secret}


def adopt(folder: Path, fetched: Mapping[bytes, SealKey], *, vouched: bool) -> None:
    """Replace the keys in the state folder by those ``fetched``, opened; ``vouched``: the host signed them.

    Otherwise a master may know them: they count for files that do not change, and nothing new is sealed with them,
    unless they were this machine's own before. Raises OSError, PachaError.
    """
    own = {} if vouched else read(folder)
    known = {key.id for key in own.values() if not key.is_adopted and fetched.get(key.id, key).secret == key.secret}
    keys = {key.id: replace(key, is_adopted=not vouched and key.id not in known) for key in fetched.values()}
    write(folder, keys)


def write(folder: Path, keys: Mapping[bytes, SealKey]) -> None:
    """Replace the keys in the state folder, readable by its owner alone. Raises OSError."""
    values = [
        {
            "id": key.id.hex(),
            "key": key.secret.hex(),
            "recipients": key.recipients,
            "patterns": list(key.patterns),
            **({"adopted": True} if key.is_adopted else {}),
            "sealed": base64.b64encode(key.sealed).decode("ascii"),
        }
        for key in keys.values()
    ]
    replace_file(folder / FILE, json.dumps(values, indent=1).encode("ascii"))
