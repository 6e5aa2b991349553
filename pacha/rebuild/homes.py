"""The people of a machine whose home is missing: outside the watched paths it does not come back with the files."""

from __future__ import annotations

import os
from pathlib import Path

_PEOPLE = range(1000, 60000)  #: numbers that adduser gives to people (Debian Policy 9.2.2)
_NO_LOGIN = (b"nologin", b"false", b"sync")
_FIELDS = 7  #: of passwd(5)


def missing(root: Path = Path("/")) -> list[tuple[bytes, bytes]]:
    """Home and name of each person in the account file below ``root`` who can log in and whose home is not there."""
    try:
        lines = (root / "etc/passwd").read_bytes().splitlines()
    except OSError:
        return []
    rows = [fields for line in lines if len(fields := line.split(b":")) == _FIELDS and fields[2].isdigit()]
    people = [row for row in rows if int(row[2]) in _PEOPLE and os.path.basename(row[6]) not in _NO_LOGIN]
    homes = [(row[5], row[0]) for row in people if row[5].startswith(b"/")]
    return [(home, name) for home, name in homes if not os.path.exists(os.path.join(os.fsencode(root), home[1:]))]
