"""What log and diff print: whole lines, every difference in words, nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from pacha.files.entry import Entry, Kind
from pacha.history.diff import Difference, Side, compare
from pacha.history.log import LogEntry
from pacha.ui import history
from tests.support.entries import entry_at

FILE = entry_at(b"/a", mtime_ns=0, size=4, sha256=b"1" * 32, stored=b"a")


def side(entry: Entry | None, content: bytes = b"", label: str = "side") -> Side:
    return Side(label=label, entries={} if entry is None else {entry.path: entry}, content=lambda _: content)


def lines(old: Side, new: Side) -> list[str]:
    (one,) = compare(old, new)
    return b"".join(history.difference_lines(one, old, new)).decode().splitlines()


def test_a_snapshot_of_a_clock_that_was_ahead_is_not_of_now() -> None:
    assert (history.age(-3600), history.age(-5), history.age(5)) == ("in the future", "now", "now")


def test_content_is_a_unified_difference() -> None:
    new = FILE._replace(sha256=b"2" * 32, size=8)
    assert lines(side(FILE, b"one\ntwo\n", "x"), side(new, b"one\n2", "now")) == [
        "diff /a", "--- a/a\tx", "+++ b/a\tnow", "@@ -1,2 +1,2 @@", " one", "-two", "+2",
        "\\ No newline at end of file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mode": 0o4755}, "mode 0644 -> 4755"), ({"uid": 33, "owner": b"www"}, "owner root (0) -> www (33)"),
        ({"gid": 5, "group": None}, "group root (0) -> 5"),
        ({"xattrs": ((b"user.x", b"1"),)}, "attribute user.x none -> '1'"),
        ({"xattrs": ((b"user.x", b"\0\xff"),)}, "attribute user.x none -> '0x00ff'"), ({"flags": 16}, "inode flags"),
        ({"mtime_ns": 10**9 + 1}, "time 1970-01-01"), ({"link_group": 3}, "hard links"),
    ],
)  # fmt: skip
def test_metadata_is_told_old_and_new(change: dict[str, object], word: str) -> None:
    found = lines(side(FILE, b"same"), side(FILE._replace(**change), b"same"))  # type: ignore[arg-type]
    assert len(found) == 2 and found[1].startswith(word)


def test_what_comes_goes_or_is_another_kind_is_described() -> None:
    link = entry_at(b"/a", Kind.SYMLINK, mode=0o777, group=None, mtime_ns=0, target=b"b\n")
    assert lines(side(None), side(FILE, b"x\n"))[:3] == [
        "diff /a",
        "new file, mode 0644, owner root, group root",
        "--- /dev/null",
    ]
    assert lines(side(FILE, b"x\n"), side(None))[1].startswith("removed file")
    assert lines(side(link), side(link._replace(target=b"c"))) == ["diff /a", "target b\\x0a -> c"]
    assert lines(side(FILE, b"x\n"), side(link))[1:3] == [
        "was file, mode 0644, owner root, group root", "is link, mode 0777, owner root, group 0, to b\\x0a",
    ]  # fmt: skip


def test_what_is_no_text_or_large_is_told_by_its_sizes() -> None:
    new = FILE._replace(sha256=b"2" * 32, size=9)
    assert lines(side(FILE, b"a\0bc"), side(new, b"a\0bcdefgh"))[-1] == "binary: 4 bytes -> 9 bytes"
    large = new._replace(size=17 << 20, parts=5)
    assert lines(side(FILE, b"a"), side(large))[-1] == f"large: 4 bytes -> {17 << 20} bytes"
    assert lines(side(None), side(FILE, b"a\0bc"))[-1] == "binary: nothing -> 4 bytes"


def test_a_path_that_looks_like_an_option_or_a_command_is_only_shown() -> None:
    odd = FILE._replace(path=b"/\x1b]0;x\x07\n")
    difference = Difference(path=odd.path, old=odd, new=odd._replace(mode=0o600), changes=("mode 0644 -> 0600",))
    assert history.name_line(difference) == b"m /\\x1b]0;x\\x07\\x0a\n"


def test_a_log_line_is_one_line_whatever_the_snapshot_says() -> None:
    logged = LogEntry("a" * 40, 1e9, "evil\x1b\n@host", "first\x1b[31m\nsecond", {"added": 2, "metadata": 1})
    line = history.log_line(logged, "bar", 1e9 + 7200).decode()
    assert line.count("\n") == 1 and line.rstrip("\n").isprintable()
    assert "2 hours ago" in line and "2 added, 1 metadata" in line and "second" not in line


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "now"), (59, "now"), (60, "1 minute ago"), (7199, "1 hour ago"), (86400 * 3, "3 days ago"),
     (86400 * 8, "1 week ago"), (86400 * 800, "2 years ago")],
)  # fmt: skip
def test_ages(seconds: float, age: str) -> None:
    assert history.age(seconds) == age


def test_names_of_one_file_are_the_same_whatever_number_they_have() -> None:
    def linked(number: int, *paths: bytes) -> Side:
        return Side(
            label="side",
            entries={path: FILE._replace(path=path, link_group=number) for path in paths},
            content=lambda _: b"",
        )

    assert list(compare(linked(1, b"/a", b"/b"), linked(2, b"/a", b"/b"))) == []
    found = compare(linked(1, b"/a", b"/b", b"/c"), linked(2, b"/a", b"/b"))
    assert [(d.path, tuple(map(str, d.changes))) for d in found] == [
        (b"/a", ("hard links",)), (b"/b", ("hard links",)), (b"/c", ()),
    ]  # fmt: skip
