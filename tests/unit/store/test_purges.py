from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.store import purges
from pacha.store.purges import Erased, Purge

NODE = "0123456789" * 4
PURGE = Purge(
    at=1_700_000_000.0, by="root@master", why="by accident", paths=(b"/etc/\xff",), limits="--at 1a2b",
    revisions={"etc": {b"\xff": frozenset([NODE])}}, places={"etc": (b"\xff",)},
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "purged"
    assert purges.read(file) == ()
    file.write_bytes(purges.encode(PURGE) * 2)
    assert purges.read(file) == (PURGE, PURGE)


@pytest.mark.parametrize(
    "text",
    [
        b"no JSON\n", b"[]\n", b"{}\n", b'"x"\n', b"\xff\n", b"[" * 100_000, b"1e999\n",
        purges.encode(PURGE).replace(NODE.encode(), b"../../etc"),
        purges.encode(PURGE).replace(b"2023", b"9" * 400),
        purges.encode(PURGE).replace(b"2023", b"0001"),
        purges.encode(PURGE).replace(b'"root@master"', b"7"),
        purges.encode(PURGE).replace(b'["/etc/', b'["\\ud800/etc/'),
        purges.encode(PURGE).replace(b'["/etc/', b'["--config=/'),
        purges.encode(PURGE).replace(b"--at 1a2b", b"--at 'unfinished"),
        *(
            purges.encode(PURGE).replace(b'"etc"', json.dumps(name).encode(), count)
            for name in ("db", "DB", "..", "../../x", "/etc", "a/b", "", "a\n", "last-push", ".new-etc-00000000")
            for count in (1, 2)
        ),
    ],
)  # fmt: skip
def test_a_hostile_record_is_damage(text: bytes) -> None:
    with pytest.raises(DamagedError):
        purges.decode(text)


def test_a_long_record_is_damage() -> None:
    with pytest.raises(DamagedError, match="cannot be read"):
        purges.decode(bytes(purges.MOST_BYTES + 1))


def test_what_is_said_is_safe_to_print() -> None:
    [purge] = purges.decode(purges.encode(PURGE).replace(b"by accident", rb"\u001b[31m"))
    assert "\x1b" not in str(purge) and str(purge).startswith("content purged on 2023-11-1")


def test_it_accepts_what_it_erased_and_whole_places() -> None:
    erased, all_of_it = Erased.by([PURGE]), Erased.by([Purge(at=0, by="", places={"etc": (b"",)})])
    assert erased.accepts("etc", b"\xff", NODE) and erased.accepts("etc", b"\xff/below", "f" * 40)
    assert erased.accepts("etc", b".pacha/parts/\xff/000003", "f" * 40)
    assert not erased.accepts("etc", b"other", NODE) and not erased.accepts("opt", b"\xff", NODE)
    assert all_of_it.accepts("etc", b"any/name", NODE) and not all_of_it.accepts("opt", b"x", NODE)


def test_it_touches_paths_above_and_below() -> None:
    assert all(PURGE.touches(path) for path in (b"/etc", b"/etc/\xff", b"/etc/\xff/x"))
    assert not PURGE.touches(b"/etc/x") and Purge(at=0, by="").touches(b"/etc/x")


def test_the_reason_is_that_of_the_last_purge_at_or_above_a_path() -> None:
    assert purges.reason(b"/etc/x", [PURGE]) == "content purged"
    assert purges.reason(os.path.join(b"/etc", b"\xff"), [PURGE]) == str(PURGE)


def test_the_command_for_another_master_is_quoted_for_its_shell() -> None:
    assert PURGE.command("bar") == r"pacha purge bar '/etc/\xff' --at 1a2b --record"
    forged = Purge(at=0, by="", paths=(b"/x; reboot", b"/$(id)"), limits="--before '2026-01-01 04:00' ; reboot `id`")
    assert forged.command("bar") == (
        "pacha purge bar '/x; reboot' '/$(id)' --before '2026-01-01 04:00' ';' reboot '`id`'"
    )


def test_any_time_can_be_told() -> None:
    [purge] = purges.decode(purges.encode(PURGE).replace(b"2023", b"9999"))
    assert str(purge).startswith("content purged on") and purges.decode(purges.encode(purge)) == (purge,)


def test_a_record_that_could_not_be_read_again_is_not_written() -> None:
    long = Purge(at=0, by="", revisions={"etc": {b"x" * (17 << 20): frozenset([NODE])}})
    with pytest.raises(PachaError, match="too much for the record"):
        purges.encode_all([long, long])


NIGHT = 86400.0


def night(number: int, names: int = 20, limits: str = "--older-than 2y") -> Purge:
    """What a nightly run erases: a content each of some files."""
    nodes = {b"var/lib/app/state%d" % name: frozenset([f"{number:020x}{name:020x}"]) for name in range(names)}
    revisions = {"var": nodes} if names else {}
    return Purge(at=PURGE.at + number * NIGHT, by="root@master", limits=limits, revisions=revisions)


def test_three_years_of_nightly_runs_leave_room_in_the_record() -> None:
    recorded: tuple[Purge, ...] = (PURGE,)
    for number in range(3 * 365):
        recorded = purges.joined(recorded, [night(number)])
    text = purges.encode_all(recorded)
    print(f"{len(text)} bytes, {len(recorded)} lines")
    assert len(text) < 1_200_000 and len(recorded) < 40
    assert purges.decode(text) == recorded
    assert sum(map(len, purges.merged(recorded)["var"].values())) == 3 * 365 * 20
    assert [str(each).rpartition("(")[2] for each in purges.runs(recorded)] == ["by accident)", "--older-than 2y)"]


def test_runs_by_age_are_forgotten_before_the_record_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purges, "MOST_BYTES_BY_AGE", 20_000)
    recorded: tuple[Purge, ...] = (PURGE, night(0, 400, "--older-than 1y"))
    for number in range(400):
        recorded = purges.decode(purges.encode_all(purges.joined(recorded, [night(number, 3)])))
    assert recorded[0] == PURGE and replace(night(0, names=0), limits="--older-than 1y") in recorded, "each rule stays"
    assert 4 < len(recorded) < 10 and recorded[-1].at == PURGE.at + 399 * NIGHT


def test_an_age_too_great_for_one_record_is_purged_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purges, "MOST_BYTES", 40_000)
    monkeypatch.setattr(purges, "MOST_BYTES_BY_AGE", 5_000)
    recorded: tuple[Purge, ...] = ()
    for years in (5, 4, 3):
        step = night(5 - years, 300, f"--older-than {years}y")
        recorded = purges.decode(purges.encode_all(purges.joined(recorded, [step])))
    assert recorded[-1] == step and len(recorded) == 3


def test_what_was_purged_on_purpose_is_the_reason_before_an_age() -> None:
    assert purges.reason(b"/etc/\xff", [PURGE, night(1)]) == str(PURGE)
    assert purges.reason(b"/etc/x", [PURGE, night(1)]).endswith("by root@master (--older-than 2y)")


def test_what_was_said_twice_is_there_once() -> None:
    assert purges.joined([PURGE, night(1)], [night(1), PURGE]) == (PURGE, night(1))
    more = replace(PURGE, revisions={"etc": {b"\xff": frozenset(["f" * 40])}})  # in the same second
    assert purges.merged(purges.joined([PURGE], [more])) == {"etc": {b"\xff": {NODE, "f" * 40}}}


def test_the_revisions_of_all_are_merged() -> None:
    other = Purge(at=0, by="", revisions={"etc": {b"\xff": frozenset(["f" * 40])}})
    assert purges.merged([PURGE, other]) == {"etc": {b"\xff": {NODE, "f" * 40}}}
