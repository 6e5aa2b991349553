"""Any text is read in bounded time, and what is shown of it is safe."""

from __future__ import annotations

import random
import time

import pytest

from pacha.machine import references
from pacha.machine.policies import TABLE
from pacha.machine.references import Named, Reader, Reference

READERS = sorted({row.reader for row in TABLE if row.reader}, key=lambda reader: reader.__name__)
HOSTILE = {
    "one long line": b"UUID=" + b"a" * 100_000,
    "many equal signs": b"=" * 100_000,
    "many brackets": b"[" * 50_000 + b"]" * 50_000,
    "many quotes": b'filter = [ "a|' + b'"a|/dev/' * 10_000,
    "many dashes": b"--fs-uuid " * 10_000,
    "many options": b"--fs-uuid " + b"--x " * 20_000,
    "many spaces": b"auto" + b" " * 100_000 + b"x",
    "many slashes": b"/dev/disk/by-id/" * 6_000,
    "many names": b"eth0 " * 20_000,
    "one long name": b"enp" + b"1s0" * 30_000,
    "many comments": b"#" * 100_000,
    "spaces and comments": b" #" * 50_000,
    "many colons": b"aa:" * 30_000,
    "deep": b"".join(b" " * depth + b"match:\n" for depth in range(1_300)),
    "continued": b"\\\n" * 50_000,
    "includes": b"@include x\nsource /etc/network/interfaces\n" * 2_000,
    "control bytes": b"\x1b[2J\x07UUID=\x1b]0;x\x07 / ext4\n" * 1_000,
}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: f"{reader.__module__}.{reader.__name__}")
def test_a_hostile_text_takes_no_time(reader: Reader) -> None:
    for name, content in HOSTILE.items():
        began = time.process_time()
        try:
            for reference in references.read(reader, "/etc/x", content):
                assert str(reference).isprintable() and len(str(reference)) < 200
        except ValueError as error:
            assert str(error).isprintable()
        assert time.process_time() - began < 2, name


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: f"{reader.__module__}.{reader.__name__}")
def test_bytes_by_chance_are_no_traceback(reader: Reader) -> None:
    chance = random.Random(reader.__name__)
    alphabet = b"UUID=/dev/ sda\n#[]{}\"'|:;,=*?\\$\xff\xc3\x80 \tMatch Name auto iface ids BusID PCI:0"
    for _ in range(50):
        content = bytes(chance.choices(alphabet, k=chance.randrange(400)))
        references.read(reader, "/etc/" + "x" * 300, content)


def test_what_is_no_text_is_said() -> None:
    with pytest.raises(ValueError, match="no text"):
        references.read(READERS[0], "/etc/x", b"a\0b")
    with pytest.raises(ValueError, match="too long"):
        references.read(READERS[0], "/etc/x", b"a" * (2 << 20))
    with pytest.raises(ValueError, match="too much"):
        references.read(lambda path, text: (Reference(Named.MAC, str(n)) for n in range(20_000)), "/etc/x", b"")


def test_each_kind_has_words_of_its_own() -> None:
    assert len({about.value for about in Named}) == len(Named)
    assert str(Reference(Named.UUID, "a\x1b[mb")) == "UUID=a?[mb"
