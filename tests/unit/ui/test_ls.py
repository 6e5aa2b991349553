"""The lines of ls, below each other."""

from __future__ import annotations

from pacha.files.entry import Entry, Kind
from pacha.ui import ls


def test_lines_and_json() -> None:
    file = Entry(
        path=b"/etc/\x1b", kind=Kind.FILE, mode=0o640, uid=0, gid=4, owner=b"root", group=None, mtime_ns=2**80,
        size=12345, xattrs=((b"system.posix_acl_access", b""),),
    )  # fmt: skip
    link = Entry(
        path=b"/l", kind=Kind.SYMLINK, mode=0o777, uid=0, gid=0, owner=b"root", group=b"root", mtime_ns=0, target=b"x"
    )
    first, second = ls.entry_lines([file, link])
    assert first.startswith("-rw-r-----+ root 4    12345 ") and first.endswith("/etc/\\x1b")
    assert second.startswith("lrwxrwxrwx  root root     0 ") and second.endswith("/l -> x")
    assert ls.entry_json(file)["group"] is None and ls.entry_json(link)["target"] == "x"
    assert list(ls.entry_lines([])) == []
