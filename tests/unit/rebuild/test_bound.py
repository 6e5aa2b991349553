"""What is bound to a machine: by recorded path."""

from __future__ import annotations

from pacha.rebuild.bound import UNBOUND, Bound
from pacha.restore.plan import Withheld

HELD, OWN = Withheld("one"), Withheld("its own")


def test_a_recorded_path_and_one_of_this_machine() -> None:
    bound = Bound(withheld={b"/etc/a": HELD}, recorded={b"/etc/a", b"/etc/b"}, own=lambda path: OWN)
    assert [bound.of(path) for path in (b"/etc/a", b"/etc/b", b"/etc/c")] == [HELD, None, OWN]
    assert UNBOUND.of(b"/etc/a") is None and not UNBOUND.other
