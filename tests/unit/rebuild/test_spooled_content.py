"""The content of a plan's files comes from the spool, but for what the plan itself changes."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.fetch.spool import Spool
from pacha.rebuild.spooled_content import SpooledContent
from tests.support.proposing import entry


def test_content_by_the_path_on_disk(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"onetwo")
    fd = os.open(tmp_path / "spool", os.O_RDONLY)
    spool = Spool(places={b"/w/one": (fd, 0, 3), b"/w/two": (fd, 3, 3)}, _files={fd: str(tmp_path / "spool")})
    source = SpooledContent(spool, b"/target/", {b"/w/one": b"another"})
    one, two = entry(b"/target/w/one"), entry(b"/target/w/two")
    assert b"".join(source.content(one)) == b"another" and source.place(one) is None
    assert b"".join(source.content(two)) == b"two"
    assert source.place(two) == (os.fsencode(tmp_path / "spool"), 3, 3)
    spool.close()
