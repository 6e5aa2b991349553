"""What Pacha on a master tells."""

from __future__ import annotations

import pytest

from pacha.wire import control
from pacha.wire.master import Probe
from pacha.wire.remote_pacha import free_bytes, of_those


def test_a_master_that_tells_of_no_more_does_not_say_that_the_rest_is_gone() -> None:
    """One tells of so many repositories at most; an older one of none."""
    few = Probe(1.0, "a", contents={"etc": "b"})
    assert of_those(few, ["etc", "opt"]).contents == {"etc": "b", "opt": None}
    many = Probe(1.0, "a", contents={f"n{number}": "b" for number in range(control.MOST_TOLD)})
    assert of_those(many, ["n1", "opt"]).contents == {"n1": "b"}
    assert of_those(Probe(1.0, "a"), ["etc"]).contents == {}


@pytest.mark.parametrize(("value", "free"), [(4096, 4096), (None, None), ("4096", None), (-1, None), (1e9, None)])
def test_room_that_makes_no_sense_is_not_told(value: object, free: int | None) -> None:
    assert free_bytes(value) == free
