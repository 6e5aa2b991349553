"""People whose home is not there."""

from __future__ import annotations

from pathlib import Path

from pacha.rebuild import homes

PASSWD = b"""root:x:0:0::/root:/bin/sh
daemon:x:2:2::/nowhere:/usr/sbin/nologin
ann:x:1000:1000::/home/ann:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
off:x:1002:1002::/home/off:/usr/sbin/nologin
nobody:x:65534:65534::/nonexistent:/bin/sh
odd:x:12x:1::/odd:/bin/sh
broken
"""


def test_only_people_who_can_log_in(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "home/ann").mkdir(parents=True)
    assert homes.missing(tmp_path) == []
    (tmp_path / "etc/passwd").write_bytes(PASSWD)
    assert homes.missing(tmp_path) == [(b"/home/bob", b"bob")]
