"""What the sender of scp's records sends, their receiver takes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.files.dirfd import DIRECTORY
from pacha.wire import scp, scp_sender
from pacha.wire.master import is_store_file
from tests.support.scp_script import Inbox, Script


def sent(folder: Path) -> bytes:
    pipe, fd = io.BytesIO(), os.open(folder, DIRECTORY)
    try:
        scp_sender.send(pipe, fd, b"store", is_store_file)
    finally:
        os.close(fd)
    return pipe.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("data/a.i", "data/deep/er/b.d", "00changelog.i", "requires", "journal", "lock", "cache/x"):
        path = tmp_path / "store" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
    return tmp_path / "store"


def test_a_store_arrives_without_what_is_no_history(store: Path) -> None:
    with Inbox() as box:
        totals = scp.receive(
            Script(sent(store), 1000), box.fd, top=b"store", accept=is_store_file,
            limits=scp.Limits(1 << 20, 20, 5), on_file=lambda file: None,
        )  # fmt: skip
        found = {str(path.relative_to(box.path)): path.read_bytes() for path in box.path.rglob("*") if path.is_file()}
    wanted = ("data/a.i", "data/deep/er/b.d", "00changelog.i", "requires")
    assert found == {name: name.encode() * 1000 for name in wanted} and totals.files == 4


def test_no_link_is_followed(store: Path) -> None:
    (store / "data" / "link").symlink_to("/etc")
    with pytest.raises(DamagedError):
        sent(store)
    (store / "data" / "link").unlink()
    (store / "dh").symlink_to("/etc")
    assert b"passwd" not in sent(store)


def test_a_fifo_is_refused(store: Path) -> None:
    os.mkfifo(store / "data" / "fifo")
    with pytest.raises(DamagedError):
        sent(store)


def test_folders_too_deep_in_each_other(store: Path) -> None:
    (store / "/".join(["data", *["d"] * 150])).mkdir(parents=True)
    with pytest.raises(DamagedError):
        sent(store)
