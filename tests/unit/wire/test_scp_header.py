"""The headers of scp: what is one, which names are safe, and what a complaint in their place means."""

from __future__ import annotations

import pytest

from pacha.errors import DamagedError
from pacha.wire.scp_header import Refused, RemoteError, check_name, parse_header


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"C0644 12 motd", (b"C", 0o644, 12, b"motd")),
        (b"D0755 0 store", (b"D", 0o755, 0, b"store")),
        (b"C0600 0 a b\n", (b"C", 0o600, 0, b"a b\n")),
    ],
)
def test_a_header(line: bytes, header: tuple[bytes, int, int, bytes]) -> None:
    assert parse_header(line, first=False) == header


@pytest.mark.parametrize("line", [b"", b"T0 0 0 0", b"C644 1 a", b"C0644 -1 a", b"C0644 1", b"c0644 1 a"])
def test_a_line_that_is_not_a_header(line: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        parse_header(line, first=True)
    assert caught.value.code == "scp-protocol-error"


def test_only_the_first_line_can_say_that_nothing_is_there() -> None:
    complaint = b"\x01scp: /x: No such file or directory"
    with pytest.raises(Refused):
        parse_header(complaint, first=True)
    with pytest.raises(RemoteError) as caught:
        parse_header(complaint, first=False)
    assert caught.value.code == "scp-refused"


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\x1b[2J", b"a\n", b"x" * 256])
def test_a_name_that_is_not_safe(name: bytes) -> None:
    with pytest.raises(DamagedError):
        check_name(name)
