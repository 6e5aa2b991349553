"""memory.json: what is written is what is read, and what Pacha does not know of it stays as it is."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.errors import Concern
from pacha.store.host_state import HostState, MasterState, Renumbering
from pacha.store.state_json import decode, encode

TEXT = st.text(max_size=4)
SHOWN = TEXT.filter(str.isprintable)  #: what is read is escaped, for a terminal
MOMENT = st.floats(-1e10, 1e10)
NUMBERS = st.dictionaries(st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2), max_size=2)
MASTER = st.builds(
    MasterState,
    changelog=st.none() | TEXT, contents=st.none() | st.dictionaries(TEXT, st.none() | TEXT, max_size=2),
    sent=st.dictionaries(TEXT, TEXT, max_size=2), tried=MOMENT, succeeded=MOMENT, failure=SHOWN,
)  # fmt: skip
STATE = st.builds(
    HostState,
    machine=TEXT, hostname=TEXT, config=TEXT, tip=TEXT, made=st.none() | st.tuples(TEXT, MOMENT),
    history=st.integers(0, 2**40), pending=st.booleans(), tried=MOMENT, succeeded=MOMENT, failure=SHOWN, cure=SHOWN,
    concerns=st.lists(st.builds(Concern, st.binary(max_size=4), SHOWN), max_size=2).map(tuple),
    masters=st.dictionaries(TEXT, MASTER, max_size=2), greeted=st.lists(TEXT, max_size=2).map(tuple),
    owed=st.dictionaries(st.binary(max_size=4), SHOWN, max_size=2), accepted=st.lists(TEXT, max_size=2).map(tuple),
    moving=st.none() | st.builds(Renumbering, users=NUMBERS, groups=NUMBERS), staging=TEXT, staging_before=TEXT,
    staging_left=st.lists(TEXT, max_size=2).map(tuple),
)  # fmt: skip


def again(state: HostState) -> HostState:
    """``state`` as the next run reads it from the file."""
    return decode(json.loads(json.dumps(encode(state))))


@pytest.mark.slow
@given(STATE)
def test_any_state_comes_back_from_the_file(state: HostState) -> None:
    assert again(state) == state


def test_what_is_as_at_the_beginning_is_not_written() -> None:
    assert encode(HostState()) == {}
    assert encode(HostState(tip="a", masters={"m": MasterState()})) == {"tip": "a", "masters": {"m": {}}}


def test_what_a_later_pacha_wrote_of_the_host_and_of_a_master_stays() -> None:
    written: dict[str, Any] = {"later": [1, {"a": None}], "masters": {"m": {"sent": {"db": "a"}, "more": True}}}
    assert encode(decode(written)) == written
    assert decode(written).masters["m"].unknown == {"more": True}


def test_what_is_known_is_not_taken_from_what_is_unknown() -> None:
    assert encode(HostState(tip="new", unknown={"tip": "old"}))["tip"] == "new"


@pytest.mark.parametrize(
    ("loaded", "key"),
    [
        ({"tip": 1}, "tip"), ({"machine": None}, "machine"), ({"history": 1.5}, "history"),
        ({"succeeded": "1"}, "succeeded"), ({"tried": 1e11}, "tried"), ({"tried": 10**11}, "tried"),
        ({"tried": float("nan")}, "tried"), ({"made": ["a", "b"]}, "made"), ({"made": ["a", 1, 2]}, "made"),
        ({"owed": {"2": "x"}}, "owed"), ({"owed": {"2f": 1}}, "owed"), ({"concerns": [["2f"]]}, "concerns"),
        ({"greeted": ["a", 1]}, "greeted"), ({"greeted": "ab"}, "greeted"),
        ({"moving": {"users": {"1": "x"}}}, "moving"), ({"moving": []}, "moving"), ({"masters": {"m": []}}, "m"),
        ({"masters": {"m": {"sent": {"db": None}}}}, "sent"), ({"masters": {"m": {"changelog": 1}}}, "changelog"),
        ({"later": float("inf")}, "later"),
    ],
)  # fmt: skip
def test_a_value_that_pacha_does_not_write_names_its_key(loaded: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode(loaded)
    assert repr(key) in str(caught.value)


def test_the_last_moment_that_a_clock_could_say_can_be_read_again() -> None:
    state = HostState(tried=1e11 - 1, masters={"m": MasterState(tried=-1e11 + 1)})
    assert again(state) == state


class Unread(dict[str, Any]):
    """An object whose values nobody may look at."""

    def items(self) -> NoReturn:
        raise AssertionError


@pytest.mark.parametrize(
    ("key", "most", "value"),
    [("choices", 100, {}), ("stated", 10_000, [1, "", "", ""]), ("users", 10_000, ""), ("groups", 10_000, "")],
)
def test_too_many_are_refused_before_they_are_looked_at(key: str, most: int, value: object) -> None:
    def loaded(objects: dict[str, Any]) -> dict[str, Any]:
        return {key: objects} if key in ("choices", "stated") else {"choices": {"host": {key: objects}}}

    full = {f"{number:08x}": value for number in range(most)}
    decode(loaded(full))
    with pytest.raises(ValueError):
        decode(loaded(Unread(full | {"ff": value})))
