"""The texts that are signed: what is written is read back, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from pacha.system.signed_text import (
    MOST_COUNTER,
    NO_DIGEST,
    digest,
    join_fields,
    read_counter,
    read_digest,
    read_time,
    split_fields,
)

TEXT = join_fields("words 1", {"host": "bar", "counter": "7"})


def test_what_is_written_is_read_back() -> None:
    assert TEXT == b"words 1\nhost bar\ncounter 7\n"
    assert split_fields(TEXT, "words 1", ["host", "counter"]) == {"host": "bar", "counter": "7"}


def test_lines_of_a_later_pacha_are_passed_over() -> None:
    assert split_fields(TEXT + b"more 1\n", "words 1", ["host", "counter"])["counter"] == "7"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        TEXT[:-1],
        TEXT.replace(b"words 1", b"words 2"),
        TEXT.replace(b"words 1", b" words 1"),
        b"words 1\ncounter 7\nhost bar\n",
        b"words 1\nhost bar\n",
        TEXT + b"\xff\n",
        TEXT + b"x" * 3000 + b"\n",
        b"\n" + TEXT,
    ],
)
def test_nothing_else_is_one(text: bytes) -> None:
    with pytest.raises(ValueError):
        split_fields(text, "words 1", ["host", "counter"])


def test_a_counter_has_an_end() -> None:
    assert read_counter(str(MOST_COUNTER)) == MOST_COUNTER
    for text in ("", "0", "-1", "01", "1.0", "1e3", "1_0", "١", str(MOST_COUNTER + 1), "9" * 5000):
        with pytest.raises(ValueError):
            read_counter(text)


def test_a_digest_is_lower_hex_or_none() -> None:
    assert read_digest(digest(b"x")) == digest(b"x") and read_digest(NO_DIGEST) == NO_DIGEST
    for text in ("", digest(b"x").upper(), digest(b"x") + "\n", digest(b"x")[1:]):
        with pytest.raises(ValueError):
            read_digest(text)


def test_a_time_is_in_utc() -> None:
    assert read_time("1970-01-02T00:00:00Z") == 86400
    for text in ("", "1970-01-02", "1970-13-02T00:00:00Z", "1970-01-02T00:00:00+01:00", "1970-01-02T00:00:00Z\n"):
        with pytest.raises(ValueError):
            read_time(text)
