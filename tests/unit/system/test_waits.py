"""Of all that is waited for, the longest wait is told."""

from __future__ import annotations

from pacha.system.waits import longest_wait, waiting


def test_who_is_waited_for() -> None:
    assert longest_wait() == ("", 0.0)
    with waiting("bar@one", 3.0), waiting("bar@two", 5.0):
        whom, seconds = longest_wait()
        assert whom == "bar@two" and 5.0 <= seconds < 6.0
    assert longest_wait() == ("", 0.0)
