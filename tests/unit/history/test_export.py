"""export: an archive that GNU tar restores as it was."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from pacha.files.entry import Entry, Kind
from pacha.history.access import open_history
from pacha.history.export import export, not_in_a_tar, selected
from pacha.server import purge
from pacha.server.purge_choice import PurgeOrder
from tests.support.stage import changed, picture
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def restored(bar: Standalone, into: Path) -> Path:
    with open_history(bar.context()) as history:
        snapshot = history.snapshot(history.find(""))
        archive = b"".join(export(snapshot, selected(snapshot), lambda entry: history.content(snapshot, entry), []))
    assert len(archive) % 10240 == 0
    into.mkdir()
    command = ["tar", "--acls", "--xattrs", "--xattrs-include=*", "-xpf", "-", "-C", str(into)]
    done = subprocess.run(command, input=archive, capture_output=True, check=False)
    lines = [line for line in done.stderr.splitlines() if b"implausibly old" not in line]  # a time before 1970
    assert (done.returncode, lines) == (0, [])
    return into / str(bar.tree)[1:]


def test_tar_restores_it_exactly(bar: Standalone, tmp_path: Path) -> None:
    tree = bar.tree
    (tree / "sub").mkdir(mode=0o2750)
    (tree / ("long" * 50)).write_text("a long name\n")
    (tree / "sub" / ("x" * 200)).mkdir()
    (tree / "sub" / ("x" * 200) / ("y" * 200)).write_bytes(bytes(range(256)) * 40)
    (tree / "empty").touch(mode=0o600)
    (tree / "link").symlink_to("../nowhere" * 20)
    os.link(tree / "one", tree / "sub/again")
    os.mkfifo(tree / "pipe", 0o640)
    with open(os.fsencode(tree) + b"/not-utf8-\xff\n", "wb") as stream:
        stream.write(b"named\n")
    os.utime(tree / "one", ns=(1, 1_234_567_890_123_456_789))
    os.utime(tree / "empty", ns=(1, -1_500_000_000))
    os.setxattr(tree / "one", "user.note", b"\x00\xff=binary\n")
    os.setxattr(tree / "one", "user.a=b%", b"equal")
    acl = b"\2\0\0\0" + b"".join(
        struct.pack("<HHI", *words)
        for words in ((1, 6, 2**32 - 1), (2, 5, 12345), (4, 4, 2**32 - 1), (16, 5, 2**32 - 1), (32, 4, 2**32 - 1))
    )
    os.setxattr(tree / "one", "system.posix_acl_access", acl)
    bar.push()
    before = picture(tree)
    place = restored(bar, tmp_path / "out")
    assert changed(before, picture(place)) == []
    assert os.getxattr(place / "one", "user.a=b%") == b"equal"
    assert os.getxattr(place / "one", "system.posix_acl_access") == acl
    assert os.getxattr(place / "one", "user.note") == b"\x00\xff=binary\n"


@pytest.mark.slow
def test_what_was_purged_is_left_out_and_named(bar: Standalone) -> None:
    os.link(bar.tree / "one", bar.tree / "other")
    (bar.tree / "two").write_text("two\n")
    first = bar.push().tip
    for name in ("one", "other"):
        (bar.tree / name).unlink()
    bar.push()
    hosts, order = os.fsencode(bar.top / "hosts"), PurgeOrder(paths=(bar.path,))
    planned = purge.plan(hosts, "bar", order)
    purge.carry_out(hosts, "bar", order, planned, limits="", why="by accident")
    lost: list[tuple[bytes, str]] = []
    with open_history(bar.context(state="elsewhere"), "bar") as history:
        snapshot = history.snapshot(history.find(first))
        archive = b"".join(export(snapshot, selected(snapshot), lambda entry: history.content(snapshot, entry), lost))
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert [os.path.basename(name) for name in opened.getnames()] == ["foo", "two"]
    assert [path for path, _ in lost] == [bar.path + b"/one", bar.path + b"/other"]
    assert all("by accident" in why for _, why in lost)


def test_what_no_archive_holds() -> None:
    entry = Entry(
        path=b"/x", kind=Kind.FILE, mode=0o644, uid=0, gid=0, owner=b"root", group=b"root", mtime_ns=0, flags=0x10,
    )  # fmt: skip
    assert [path for path, _ in not_in_a_tar([entry])] == [b"/x"]
