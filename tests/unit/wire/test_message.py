"""A message from anybody: whatever number it holds is one that can be computed with, or the message is refused."""

from __future__ import annotations

import json
import math
import sys

import pytest

from pacha.text import local_second, rfc3339
from pacha.wire import message
from pacha.wire.message import OutOfRange

ABSURD = [
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400, "-1" + "0" * 400, "9" * 5000, str(1 << 63),
]  # fmt: skip


@pytest.mark.parametrize("number", ABSURD)
@pytest.mark.parametrize("form", ['{{"a": {}}}', '{{"a": [[{{"b": {}}}]]}}', '{{"{{": "}}", "a": {}}}'])
def test_an_absurd_number_is_refused_wherever_it_stands(number: str, form: str) -> None:
    with pytest.raises(OutOfRange):
        message.decode(form.format(number))


def test_python_alone_would_take_them() -> None:
    taken = [number for number in ABSURD if len(number) < 4300 and isinstance(json.loads(number), int | float)]
    assert len(taken) == len(ABSURD) - 1
    assert sys.get_int_max_str_digits() == 4300


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x",
        b"[]",
        b"7",
        b"null",
        b"{",
        b"[" * 100_000,
        b"\0" * 100,
        "{}".encode("utf-16"),
        b'{"a": ' * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_message(text: bytes) -> None:
    with pytest.raises(ValueError):
        message.decode(text)


def test_ordinary_numbers_are_read_as_they_are() -> None:
    said = {"a": -1, "b": 1.5, "c": (1 << 63) - 1, "d": 1e300, "e": True, "f": None}
    assert message.decode(json.dumps(said)) == said


@pytest.mark.parametrize("value", [-1, -1e18, 1e11, 1e300, math.inf, math.nan, 10**400])
def test_a_time_that_no_clock_shows(value: float) -> None:
    with pytest.raises(OutOfRange):
        message.seconds(value)


@pytest.mark.parametrize("value", [0, 1.5, 1_800_000_000, math.nextafter(message.LATEST, 0)])
def test_every_time_that_is_taken_can_be_shown(value: float) -> None:
    at = message.seconds(value)
    assert len(rfc3339(at)) == len("2026-11-22T04:00:07Z") and local_second(at)


@pytest.mark.parametrize("value", ["1", None, True, [1], {}, b"1"])
def test_what_is_no_number(value: object) -> None:
    for read in (message.seconds, message.count, message.digest):
        with pytest.raises((TypeError, ValueError)):
            read(value)


def test_counts() -> None:
    assert [message.count(number) for number in (0, (1 << 63) - 1)] == [0, (1 << 63) - 1]
    for number in (-1, 1 << 63):
        with pytest.raises(OutOfRange):
            message.count(number)
    with pytest.raises(TypeError):
        message.count(1.0)


def test_digests() -> None:
    assert message.digest("0a" * 32) == "0a" * 32
    for text in ("", "0A" * 32, "0a" * 31, "0a" * 33, "0a" * 32 + "\n", "\x1b" * 64):
        with pytest.raises(ValueError):
            message.digest(text)


@pytest.mark.parametrize("value", [None, 1, "", "a" * 39, "A" * 40, "a" * 40 + "\n"])
def test_what_is_no_node_is_refused(value: object) -> None:
    assert message.node("0a" * 20) == "0a" * 20
    with pytest.raises((TypeError, ValueError)):
        message.node(value)
