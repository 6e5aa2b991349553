"""What is believed of a heartbeat, which anybody may have forged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pacha.system.signature import is_intact
from pacha.wire.heartbeat import (
    MOST_HOURS,
    NAMESPACE,
    LastWord,
    decode_word,
    encode_word,
    parse,
    signed_fields,
)
from pacha.wire.master import HEARTBEAT_MAX
from tests.support.signing import make_key, sign

LINE: dict[str, Any] = {"at": "2026-11-28T20:00:00Z", "tip": "ab" * 20, "exit": 0, "version": "1.0"}


def test_the_least_that_it_says_is_enough() -> None:
    left = parse(json.dumps(LINE).encode())
    assert (left.tip, left.at, left.made, left.exit) == ("ab" * 20, left.at, left.at, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        json.dumps({**LINE, "tip": "ab" * 20 + "\n"}).encode(),
        json.dumps({**LINE, "tip": 7}).encode(),
        json.dumps({**LINE, "at": "yesterday"}).encode(),
        json.dumps({**LINE, "more": "x" * HEARTBEAT_MAX}).encode(),
    ],
)
def test_what_makes_no_sense_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


WORD = LastWord(host="bar", counter=3, at=1_790_000_000, frequency=12, tip="ab" * 20, statement="cd" * 32)


def test_a_signed_word_is_read_as_it_was_written(tmp_path: Path) -> None:
    text = encode_word(WORD)
    assert text.startswith(b"pacha-heartbeat 1\nhost bar\ncounter 3\ntime 2026-09-21T14:13:20Z\nfrequency 12\n")
    fields = signed_fields(text, sign(text, make_key(tmp_path / "key"), NAMESPACE))
    signed = parse(json.dumps({**LINE, **fields})).signed
    assert signed and (signed.word, signed.text, signed.signature.namespace) == (WORD, text, NAMESPACE.encode())
    assert is_intact(text, signed.signature, NAMESPACE)
    for change in ({"word": None}, {"word": "x"}, {"signature": "AAAA"}, {"signature": 7}, {"signature": "\u00e9"}):
        assert parse(json.dumps({**LINE, **fields, **change})).signed is None  # as good as none
    assert parse(json.dumps(LINE)).signed is None


@pytest.mark.parametrize("change", [{"frequency": 0}, {"counter": 0}, {"tip": "x"}, {"statement": "x"}])
def test_a_word_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        decode_word(encode_word(replace(WORD, **change)))


def test_a_host_that_means_to_push_never_is_judged_by_a_month() -> None:
    assert decode_word(encode_word(replace(WORD, frequency=1e9))).frequency == MOST_HOURS
    for hours in ("nan", "inf", "745", "-1"):
        with pytest.raises(ValueError):
            decode_word(encode_word(WORD).replace(b"frequency 12", f"frequency {hours}".encode()))
