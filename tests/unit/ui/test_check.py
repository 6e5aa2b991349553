"""What a check came to: everything for programs, and for people each fault, the host's name before it."""

from __future__ import annotations

import json
from dataclasses import replace

from pacha.server.check_results import CheckResult
from pacha.ui.check import check_json, check_lines

FINE = CheckResult(
    host="bar", at=1_700_000_000, code=0, tip="ab" * 20, made=1_699_990_000, files=7, size=2048, seconds=1.23456
)


def test_programs_get_every_field_and_null_for_what_is_not_there() -> None:
    assert check_json(FINE) == {
        "host": "bar", "at": "2023-11-14T22:13:20Z", "exit": 0, "snapshot": "ab" * 20,
        "snapshot_at": "2023-11-14T19:26:40Z", "files": 7, "size": 2048, "purged": 0, "sealed": 0, "rehearsed": False,
        "faults": [], "seconds": 1.235, "signature": None, "signer": None,
    }  # fmt: skip
    nothing = check_json(CheckResult(host="bar", at=1.0, code=3, faults=("it has never pushed",)))
    assert (nothing["snapshot"], nothing["snapshot_at"], nothing["faults"]) == (None, None, ["it has never pushed"])
    assert json.loads(json.dumps(nothing)) == nothing


def test_people_are_told_who_signed() -> None:
    signed = replace(FINE, signature="signed", signer="SHA256:abc")
    assert ", signed by SHA256:abc (1.2 s)" in check_lines(signed)[0]
    assert (
        check_json(signed)["signature"] == "signed"
        and ", unsigned (" in check_lines(replace(FINE, signature="unsigned"))[0]
    )


def test_people_are_told_how_many_files_are_sealed() -> None:
    assert ", 4 sealed (" in check_lines(replace(FINE, sealed=4))[0] and "sealed" not in check_lines(FINE)[0]
    assert check_json(replace(FINE, sealed=4))["sealed"] == 4


def test_people_get_a_line_for_each_fault() -> None:
    assert check_lines(replace(FINE, code=13, faults=("one", "two", "three"))) == ["bar: one", "bar: two", "bar: three"]
    assert len(check_lines(replace(FINE, code=1))) == 1


def test_what_is_fine_is_one_line_that_names_the_snapshot() -> None:
    (line,) = check_lines(FINE)
    assert line.startswith("bar: ") and "ab" * 6 in line and "ab" * 7 not in line
    assert check_lines(replace(FINE, rehearsed=True)) != [line]
