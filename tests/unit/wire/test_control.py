"""The control channel: a greeting from anybody is read or refused, an answer from anybody is an answer or an error."""

from __future__ import annotations

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.wire import control
from pacha.wire.control import Control, Hello
from pacha.wire.master import PUSH, REBUILD, Probe

SAID = {"pacha": 1, "version": "1.0", "hosts_path": "/pacha/hosts", "capabilities": ["beat"], "may": ["push"]}


def line(**changes: Any) -> bytes:
    return control.encode({key: value for key, value in {**SAID, **changes}.items() if value is not ...})


def test_a_greeting_comes_back_as_it_was() -> None:
    may = frozenset([PUSH, REBUILD])
    for seen in (None, Probe(1.5, None, may), Probe(1.5, "ab" * 32, may)):
        said = Hello(
            protocol=1,
            version="1.0",
            hosts_path=b"/pacha/h\xff sts",
            capabilities=frozenset(control.CAPABILITIES),
            may=may,
            probe=seen,
        )
        assert Hello.read(said.line()) == said


def test_what_a_later_one_says_more_is_passed_over() -> None:
    read = Hello.read(line(pacha=2, later={"x": 1}, may=["push", "dance"], capabilities=["beat", "sing"]))
    assert read is not None
    assert (read.protocol, read.may, read.capabilities) == (2, {"push"}, {"beat", "sing"})


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"Welcome to master.example.com\n",
        b"[]\n",
        b"{}\n",
        b"[" * 50_000,
        b'{"pacha": 1}\n',
        line(pacha="x"),
        line(hosts_path="relative"),
        line(hosts_path="/with\0zero"),
        line(hosts_path=...),
        line(capabilities=None),
        line(may=...),
        line(clock="now"),
        line(clock=1.0),
        line(pacha=None),
    ],
)
def test_what_is_no_greeting(said: bytes) -> None:
    assert Hello.read(said) is None


def absurd_line(**numbers: str) -> bytes:
    """A greeting with these numbers as they are spelt."""
    said = {**SAID, "clock": 1.0, "changelog": None}
    rest = {key: value for key, value in said.items() if key not in numbers}
    return (
        json.dumps(rest)[:-1].encode() + "".join(f', "{key}": {text}' for key, text in numbers.items()).encode() + b"}"
    )


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity", "1" * 400, "-1", "-1e18", "1e300", "9" * 5000])
@pytest.mark.parametrize("field", ["pacha", "clock", "later"])
def test_a_greeting_with_an_absurd_number_is_damage(field: str, number: str) -> None:
    if (field, number) in {("pacha", "-1e18"), ("pacha", "1e300")} or (field == "later" and number in "-1e18 1e300"):
        return  # no number of a protocol is a fraction; a field that is not known is passed over
    with pytest.raises(DamagedError) as caught:
        Hello.read(absurd_line(**{field: number}))
    assert caught.value.code == "absurd-number"


@pytest.mark.parametrize("number", ["1e999", "NaN", "9" * 5000])
def test_an_answer_with_an_absurd_number_is_damage(number: str) -> None:
    with pytest.raises(DamagedError) as caught:
        ask(f'{{"free": {number}}}\n'.encode())
    assert caught.value.code == "absurd-number"


@pytest.mark.parametrize("version", ["\x1b]52;c;aGk=\x07", "\x9b31m", "\u202eevil", "1\n0", "x" * 5000, 7, None])
def test_a_version_is_safe_to_print(version: object) -> None:
    read = Hello.read(line(version=version))
    assert read is not None and read.version.isprintable() and len(read.version) <= 40


def test_what_is_no_digest_is_no_greeting() -> None:
    assert Hello.read(line(clock=1.0, changelog="x" * 64)) is None
    assert Hello.read(line(clock=1.0, changelog=None, contents={"foo": "\x1b"})) is None


class Stream:
    """A stream that says something and has ended."""

    def __init__(self, said: bytes, complaint: bytes = b"") -> None:
        self.stdin, self.stdout = self, io.BytesIO(said)
        self.sent = b""
        self._complaint = complaint

    def write(self, data: bytes) -> None:
        self.sent += data

    def finish(self) -> SimpleNamespace:
        return SimpleNamespace(stderr=self._complaint)


def ask(said: bytes, complaint: bytes = b"") -> dict[str, Any]:
    return Control(Stream(said, complaint)).ask("beat", line="x")  # type: ignore[arg-type]


def test_a_question_and_its_answer() -> None:
    stream = Stream(b'{"and": "more"}\n')
    assert Control(stream).ask("beat", line="x") == {"and": "more"}  # type: ignore[arg-type]
    assert json.loads(stream.sent) == {"do": "beat", "line": "x"}


@pytest.mark.parametrize("kind", [PachaError, UnreachableError, DamagedError])
def test_an_error_keeps_its_kind_and_its_words(kind: type[PachaError]) -> None:
    with pytest.raises(PachaError) as caught:
        ask(control.encode(control.error_of(kind("What.", "why", "Hint.", code="it-broke"))))
    error = caught.value
    assert (type(error), error.message, error.why, error.hint) == (kind, "What.", "why", "Hint.")


@pytest.mark.parametrize(
    "error", [None, [], "text", {}, {"message": 7}, {"message": "\x1b[2J\n" * 5000, "exit": [1]}, {"exit": "11"}]
)
def test_an_odd_error_is_one_line(error: object) -> None:
    with pytest.raises(PachaError) as caught:
        ask(control.encode({"error": error}))
    for text in (caught.value.message, caught.value.why, caught.value.hint):
        assert text == "" or (text.isprintable() and len(text) <= 500)


@pytest.mark.parametrize("said", [b"", b"rubbish\n", b"[]\n", b'{"half": ', b"x" * 100_000])
def test_no_answer_tells_what_it_complained_of(said: bytes) -> None:
    with pytest.raises(UnreachableError) as caught:
        ask(said, b"pacha: No space left \x07\nmore\n")
    assert caught.value.why == "pacha: No space left ?"


class Echo:
    """A master who answers with what he was asked, one at a time."""

    def __init__(self) -> None:
        self.stdin, self.stdout, self._asked = self, self, list[bytes]()

    def write(self, data: bytes) -> None:
        self._asked.append(data)

    def readline(self, most: int) -> bytes:
        time.sleep(0.01)
        [asked] = self._asked
        self._asked.clear()
        return asked


def test_threads_ask_one_after_the_other() -> None:
    channel = Control(Echo())  # type: ignore[arg-type]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda number: channel.ask("create", name=number), range(10)))
    assert [answer["name"] for answer in answers] == list(range(10))
