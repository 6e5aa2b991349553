"""The receiving side of scp: a stock sender gets everything across fast, a hostile one gets nothing done."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacha.errors import DamagedError, PachaError
from pacha.wire.scp import Limits, Received, Totals, receive
from pacha.wire.scp_header import Refused, RemoteError
from pacha.wire.scp_stream import CREDIT
from tests.support.scp_script import BADSERVER, Inbox, Script

SCP = shutil.which("scp") or "/usr/bin/scp"
LIMITS = Limits(total_bytes=10_000_000, files=10_000, depth=20)


class Process:
    """A real ``scp -f`` behind two pipes; counts how often it is waited for after it was answered."""

    def __init__(self, path: bytes) -> None:
        self._process = subprocess.Popen(
            [SCP, "-r", "-f", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._wrote = False
        self.turns = 0

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self, n: int) -> bytes:
        self.turns += self._wrote
        self._wrote = False
        assert self._process.stdout
        return self._process.stdout.read(n)

    def write(self, data: bytes) -> int:
        self._wrote = True
        assert self._process.stdin
        return self._process.stdin.write(data)


def get(
    stream: Script | Process,
    inbox: Inbox,
    *,
    top: bytes = b"store",
    accept: Callable[[bytes, bool], bool] = lambda path, is_dir: True,
    limits: Limits = LIMITS,
    told: list[Received] | None = None,
) -> Totals:
    on_file = (lambda received: None) if told is None else told.append
    return receive(stream, inbox.fd, top=top, accept=accept, limits=limits, on_file=on_file)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Names below a folder, with each file's content."""
    return {
        os.fsdecode(os.path.relpath(path, folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def make_tree(top: Path, files: int) -> None:
    """Many small files in a few folders, some empty, some large, with odd but legal names."""
    rng = random.Random(7)
    for number in range(files):
        folder = top / f"d{number % 37}" / "sub"
        folder.mkdir(parents=True, exist_ok=True)
        size = rng.choice([0, 1, 57, 4096, 20_000])
        (folder / f"f{number}.i").write_bytes(rng.randbytes(size))
    (top / "empty").mkdir()
    (top / "large").write_bytes(rng.randbytes(3_000_000))
    odd = [b"-rf", b"with space", b"'\"$(x)`;", b"\xff\xfe not utf-8", "ü€".encode(), b"x" * 255, b"..."]
    for name in odd:
        (top / os.fsdecode(name)).write_bytes(name)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as box:
        yield box


@pytest.mark.slow
def test_a_tree_from_a_stock_sender_is_equal(tmp_path: Path, inbox: Inbox) -> None:
    store = tmp_path / "store"
    make_tree(store, 2200)
    told: list[Received] = []
    with Process(os.fsencode(store)) as sender:
        totals = get(sender, inbox, limits=Limits(100_000_000, 5000, 5), told=told)
    assert tree(inbox.path) == tree(store)
    sizes = {os.fsencode(name): len(data) for name, data in tree(store).items() if data is not None}
    assert {received.name: received.size for received in told} == sizes
    assert (totals.files, totals.size) == (len(sizes), sum(sizes.values()))


@pytest.mark.slow
def test_turn_arounds_do_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    turns = []
    for files in (100, 1000):
        store = tmp_path / str(files) / "store"
        store.mkdir(parents=True)
        for number in range(files):
            (store / f"f{number}").write_bytes(b"x")
        with Inbox() as box, Process(os.fsencode(store)) as sender:
            get(sender, box)
            turns.append(sender.turns)
    assert turns[0] == 1  # the credit at the start, and never again
    assert turns[1] <= 1 + 2 * 1000 // (CREDIT // 4)


def test_the_credit_is_never_more_than_a_pipe_holds() -> None:
    count = 5000
    data = b"D0755 0 store\n" + b"".join(b"C0644 0 f%d\n\0" % n for n in range(count)) + b"E\n"
    sender = Script(data)
    with Inbox() as box:
        get(sender, box)
    used = 1 + 1 + 2 * count + 1
    assert used <= len(sender.written) <= used + CREDIT
    assert sender.written.count(0) == len(sender.written)


def test_reads_are_large(inbox: Inbox) -> None:
    sender = Script(b"D0755 0 store\nC0644 500000 f\n" + bytes(500_000) + b"\0E\n")
    get(sender, inbox)
    assert min(sender.reads) >= 65536


def test_modes_of_the_wire_are_ignored(inbox: Inbox) -> None:
    get(Script(b"D0777 0 store\nC6755 1 f\nx\0D7777 0 d\nC0000 0 g\n\0E\nE\n"), inbox)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in inbox.path.rglob("*")}
    assert modes == {"f": 0o600, "d": 0o700, "g": 0o600}


def test_what_is_not_accepted_is_read_and_never_written(inbox: Inbox) -> None:
    told: list[Received] = []
    asked: list[tuple[bytes, bool]] = []

    def accept(path: bytes, is_dir: bool) -> bool:
        asked.append((path, is_dir))
        return not path.startswith(b"journal") and path != b"cache"

    script = (
        b"D0755 0 store\nC0644 3 journal\nabc\0"
        b"D0755 0 cache\nC0644 1 x\nx\0D0755 0 deep\nC0644 1 y\ny\0E\nE\nC0644 1 kept\nk\0E\n"
    )
    totals = get(Script(script), inbox, accept=accept, told=told)
    assert inbox.names() == ["kept"]
    assert [received.name for received in told] == [b"kept"]
    assert asked == [(b"journal", False), (b"cache", True), (b"kept", False)]
    assert (totals.files, totals.size) == (1, 1)


@pytest.mark.parametrize("piece", [1, 2, 7])
def test_fragments_make_no_difference(inbox: Inbox, piece: int) -> None:
    script = b"D0755 0 store\nC0644 5 f\nhello\0D0755 0 d\nC0644 0 g\n\0E\nE\n"
    get(Script(script, piece), inbox)
    assert tree(inbox.path) == {"f": b"hello", "d": None, "d/g": b""}


def start(*rest: bytes) -> bytes:
    return b"D0755 0 store\n" + b"".join(rest)


HOSTILE = {
    **{f"badserver_{n}": script for n, script in enumerate(BADSERVER)},
    **{f"badserver_{n} below": start(script) for n, script in enumerate(BADSERVER)},
    "another top": b"D0755 0 stores\nE\n",
    "no top": b"C0644 1 store\nx\0",
    "nothing at all": b"",
    "slash in a file": start(b"C0644 1 a/b\nx\0E\n"),
    "parent as a file": start(b"C0644 1 ..\nx\0E\n"),
    "NUL in a name": start(b"C0644 1 a\0b\nx\0E\n"),
    "empty name": start(b"C0644 1 \nx\0E\n"),
    "escape code in a name": start(b"C0644 1 \x1b[2Jx\nx\0E\n"),
    "DEL in a name": start(b"C0644 1 a\x7f\nx\0E\n"),
    "name of 256 bytes": start(b"C0644 1 ", b"n" * 256, b"\nx\0E\n"),
    "name of 4 KiB": start(b"C0644 1 ", b"n" * 4096, b"\nx\0E\n"),
    "line without end": start(b"C0644 1 ", b"n" * 9_000_000),
    "negative size": start(b"C0644 -1 a\n\0E\n"),
    "size with a sign": start(b"C0644 +1 a\nx\0E\n"),
    "size in hex": start(b"C0644 0x1 a\nx\0E\n"),
    "size in other digits": start("C0644 ١ a\nx\0E\n".encode()),
    "size of 2^63": start(b"C0644 9223372036854775808 a\nx"),
    "size of thirty digits": start(b"C0644 ", b"9" * 30, b" a\nx"),
    "more bytes than allowed": start(b"C0644 9000000 a\n", bytes(9_000_000), b"\0C0644 1000001 b\n"),
    "mode in decimal": start(b"C0899 1 a\nx\0E\n"),
    "no mode": start(b"C 1 a\nx\0E\n"),
    "two spaces": start(b"C0644  1 a\nx\0E\n"),
    "times": start(b"T1183828267 0 1183828267 0\nC0644 1 a\nx\0E\n"),
    "times that are garbage": start(b"T\x1b]0;x\x07\nE\n"),
    "another letter": start(b"Z0644 1 a\nx\0E\n"),
    "empty line": start(b"\nE\n"),
    "E with something after it": start(b"E \n"),
    "trouble at the start": b"\x01scp: /x: Permission denied\n",
    "trouble in the middle": start(b"C0644 1 a\nx\0\x01scp: /x/b: Permission denied\nE\n"),
    "trouble as a file's status": start(b"C0644 1 a\nx\x01scp: a: changed\nE\n"),
    "fatal in the middle": start(b"\x02scp: protocol error\n"),
    "fatal without text": start(b"\x02"),
    "status that is none": start(b"C0644 1 a\nx\x05E\n"),
    "no status": start(b"C0644 1 a\nxE\n"),
    "short data": start(b"C0644 10 a\nxxxx"),
    "nothing after the header": start(b"C0644 10 a\n"),
    "missing E": start(b"D0755 0 d\nE\n"),
    "missing E, and a newline": start(b"D0755 0 d\nE"),
    "extra E": start(b"E\nE\n"),
    "second top": start(b"E\nD0755 0 store\nE\n"),
    "data after the end": start(b"E\n\0"),
    "trouble after the end": start(b"E\n\x01scp: late\n"),
    "endless directories": start(b"".join(b"D0755 0 d\n" for _ in range(100_000))),
    "endless files": start(b"".join(b"C0644 0 f%d\n\0" % n for n in range(100_000))),
}


#: What is written once is not written again; of what is not written at all nothing is remembered.
TWICE = {
    "same file twice": start(b"C0644 1 a\nx\0C0644 1 a\ny\0E\n"),
    "same directory twice": start(b"D0755 0 a\nE\nD0755 0 a\nE\nE\n"),
    "file, then directory": start(b"C0644 1 a\nx\0D0755 0 a\nE\nE\n"),
    "directory, then file": start(b"D0755 0 a\nE\nC0644 1 a\nx\0E\n"),
}


@pytest.mark.parametrize("script", TWICE.values(), ids=TWICE.keys())
def test_a_name_that_comes_twice(inbox: Inbox, script: bytes) -> None:
    with pytest.raises(DamagedError, match="a name twice"):
        get(Script(script), inbox)
    with Inbox() as other:
        get(Script(script), other, accept=lambda path, is_dir: False)
        assert other.names() == []


class Endless(Script):
    """A sender of ever more files with long names."""

    def read(self, n: int) -> bytes:
        data, self._data = self._data, b"".join(b"C0644 0 %0200d\n\0" % n for n in range(1000))
        return data


@pytest.mark.slow
def test_endless_names_take_no_memory(inbox: Inbox) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match="too much"):
            get(Endless(start()), inbox, accept=lambda path, is_dir: False, limits=Limits(0, 60_000, 5))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_file_for_which_there_is_no_room_is_not_begun(inbox: Inbox) -> None:
    free = os.statvfs(inbox.path)
    size = free.f_bavail * free.f_frsize + (1 << 30)
    with pytest.raises(PachaError, match="Cannot write f") as caught:
        get(Script(start(b"C0644 %d f\nx" % size)), inbox, limits=Limits(1 << 62, 9, 9))
    assert not isinstance(caught.value, DamagedError)
    assert inbox.names() == []


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("accepted", [True, False])
def test_a_hostile_sender_is_refused_by_name(inbox: Inbox, script: bytes, accepted: bool) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    script = script.replace(b"@DIR@", os.fsencode(inbox.around))
    with pytest.raises(DamagedError) as caught:
        get(Script(script), inbox, accept=lambda path, is_dir: accepted)
    for text in (caught.value.message, caught.value.why, caught.value.hint):
        assert text.isprintable() or text == ""
        assert len(text) < 400
    assert os.listdir(inbox.around) == ["inbox"]
    assert len(os.listdir("/proc/self/fd")) == descriptors
    if not accepted:
        assert inbox.names() == []


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(total_bytes=5, files=9, depth=9), "more than 5 bytes"),
        (Limits(total_bytes=9, files=4, depth=9), "more than 4 files"),
        (Limits(total_bytes=9, files=9, depth=2), "more than 2 levels deep"),
        (Limits(total_bytes=9, files=9, depth=9, line=12), "a line that is too long"),
    ],
)
@pytest.mark.parametrize("accepted", [True, False])
def test_every_limit_holds(inbox: Inbox, limits: Limits, why: str, accepted: bool) -> None:
    script = start(b"C0644 3 f\nabc\0D0755 0 a\nD0755 0 b\nE\nE\nC0644 3 g\ndef\0E\n")
    with Inbox() as enough:
        get(Script(script), enough, limits=Limits(total_bytes=6, files=5, depth=3, line=14))
    with pytest.raises(DamagedError) as caught:
        get(Script(script), inbox, accept=lambda path, is_dir: accepted, limits=limits)
    assert why in f"{caught.value.message}: {caught.value.why}"


def test_a_real_sender_without_such_a_directory_is_refused(tmp_path: Path, inbox: Inbox) -> None:
    with Process(os.fsencode(tmp_path / "store")) as sender:
        with pytest.raises(Refused, match="could not send") as caught:
            get(sender, inbox)
    assert "No such file" in caught.value.why


def not_the_lock(path: bytes, is_directory: bool) -> bool:
    return path != b"lock"


def test_a_lock_that_leads_nowhere_is_passed_over(tmp_path: Path, inbox: Inbox) -> None:
    """Mercurial's; a stock sender complains, goes on, and ends with 1."""
    top = tmp_path / "top"
    make_tree(top, 20)
    (top / "lock").symlink_to("master/f00:123")
    with Process(os.fsencode(top)) as sender:
        totals = get(sender, inbox, top=b"top", accept=not_the_lock)
    assert totals.passed_over == 1
    (top / "lock").unlink()
    assert tree(inbox.path) == tree(top)


@pytest.mark.parametrize("name", [b"other", b"a/lock", b"lock\n/other", b"lock: Permission denied"])
def test_nothing_else_is_passed_over(inbox: Inbox, name: bytes) -> None:
    script = start(b"\x01scp: /master/top/" + name + b": No such file or directory\nE\n")
    with pytest.raises(RemoteError):
        get(Script(script), inbox, accept=not_the_lock if b"/lock" not in name else lambda path, is_directory: True)


def test_complaints_without_end_are_counted(inbox: Inbox) -> None:
    script = start(b"\x01scp: /master/top/lock: No such file or directory\n" * 20_000)
    with pytest.raises(DamagedError, match="too much"):
        get(Script(script), inbox, accept=not_the_lock)


def test_only_the_first_word_can_be_a_refusal(inbox: Inbox) -> None:
    with pytest.raises(RemoteError) as caught:
        get(Script(start(b"\x01scp: /x/journal: No such file or directory\n")), inbox)
    assert not isinstance(caught.value, Refused)


def test_the_sender_s_words_are_shown_escaped(inbox: Inbox) -> None:
    with pytest.raises(RemoteError) as caught:
        get(Script("\x01scp: \x1b[31m\u202eevil\n".encode()), inbox)
    assert caught.value.why == r"it says: scp: \x1b[31m\u202eevil"


def test_a_link_in_the_inbox_is_not_followed(inbox: Inbox) -> None:
    outside = inbox.around / "outside"
    (inbox.path / "f").symlink_to(outside)
    (inbox.path / "d").symlink_to(inbox.around)
    for script in (start(b"C0644 1 f\nx\0E\n"), start(b"D0755 0 d\nC0644 1 outside\nx\0E\nE\n")):
        with pytest.raises(PachaError):
            get(Script(script), inbox)
    assert not outside.exists()


def test_a_full_disk_is_this_machine_s_fault(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(PachaError, match="Cannot write d/f") as caught:
        get(Script(start(b"D0755 0 d\nC0644 1 f\nx\0E\nE\n")), inbox)
    assert not isinstance(caught.value, DamagedError)
    assert caught.value.why == "No space left on device"


def test_short_writes_are_continued(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))
    get(Script(start(b"C0644 10 f\n0123456789\0E\n")), inbox)
    assert (inbox.path / "f").read_bytes() == b"0123456789"


class Deaf(Script):
    """A sender that reads no more."""

    def write(self, data: bytes) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_sender_that_has_gone_is_no_error_by_itself(inbox: Inbox) -> None:
    get(Deaf(start(b"C0644 1 f\nx\0E\n")), inbox)
    assert inbox.names() == ["f"]


def test_the_checks_do_not_rest_on_assert() -> None:
    for source in (Path(__file__).parents[3] / "pacha" / "wire").glob("scp*.py"):
        assert not any(line.strip().startswith("assert") for line in source.read_text().splitlines())


NAMES = st.sampled_from([b"a", b"b", b"..", b".", b"", b"a/b", b"\x1b", b"\xff", b"x" * 256])
SIZES = st.sampled_from([b"0", b"1", b"3", b"-1", b"9" * 19, b"x"])
PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"E\n", b"\0", b"\x01oops\n", b"\x02", b"\n", b"x\0", b"xxx\0", b"T0 0 0 0\n"]),
    st.builds(lambda k, s, n: b"%b0644 %b %b\n" % (k, s, n), st.sampled_from([b"C", b"D"]), SIZES, NAMES),
)


@pytest.mark.slow
@given(st.lists(PIECES, max_size=30), st.booleans(), st.sampled_from([1, 5, 1 << 20]))
@settings(max_examples=300)
def test_any_bytes_end_in_a_tree_or_an_error(pieces: list[bytes], headed: bool, piece: int) -> None:
    script = (b"D0755 0 store\n" if headed else b"") + b"".join(pieces)
    with Inbox() as box:
        try:
            get(Script(script, piece), box, limits=Limits(1000, 20, 5, line=400))
        except DamagedError:
            pass
        assert os.listdir(box.around) == ["inbox"]
        assert sum(path.is_file() and path.stat().st_size for path in box.path.rglob("*")) <= 1000
