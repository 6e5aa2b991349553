"""What the process of a host's account says is checked again."""

from __future__ import annotations

import json

import pytest

from pacha.fleet import digest_reply

HEAD = {"tip": "a" * 40, "snapshots": 1, "notes": [["a" * 40, 1.0, "u", "m"]], "counts": {}, "paths": []}
PATH = ["M", "/a", [], ["+x"], 0, ""]


def test_what_makes_sense() -> None:
    told = digest_reply.decode(
        "bar", json.dumps({**HEAD, "paths": [["M", "/\x1b", ["\x07"], ["+\x7f"], 0, "\x1b"]]}).encode()
    )
    (path,) = told.paths
    assert (path.path, path.words, path.lines, path.hidden) == ("/\\x1b", ("\\x07",), ("+\\x7f",), "\\x1b")


@pytest.mark.parametrize(
    "change",
    [
        {"tip": "x"}, {"tip": None}, {"kind": "other"}, {"snapshots": -1}, {"snapshots": "1"}, {"notes": [["x", 1.0,
        "", ""]]},
        {"notes": [["a" * 40, 1e300, "", ""]]}, {"paths": [["Q", *PATH[1:]]]}, {"paths": [PATH[:3]]},
        {"paths": [[*PATH, 1]]},
        {"paths": [["M", 7, [], [], 0, ""]]}, {"counts": {"added": -1}}, {"packages": [7]}, {"back": 5},
        {"left_out": 1.5},
    ],
)  # fmt: skip
def test_what_makes_no_sense(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        digest_reply.decode("bar", json.dumps({**HEAD, **change}).encode())
