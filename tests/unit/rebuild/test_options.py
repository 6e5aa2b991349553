"""The options of a rebuild: by default all of the newest snapshot, to its places, with nothing taken away."""

from __future__ import annotations

from pacha.rebuild.options import DEFAULTS, AccountPolicy
from pacha.rebuild.partial import is_partial


def test_by_default_it_is_the_whole_host_and_nothing_of_the_machines_is_lost() -> None:
    assert not is_partial(DEFAULTS) and DEFAULTS.target == b""
    assert not DEFAULTS.delete and not DEFAULTS.hooks and not DEFAULTS.by_master


def test_a_policy_is_the_word_of_the_command_line() -> None:
    assert [AccountPolicy(word).name for word in ("renumber", "keep", "leave")] == ["RENUMBER", "KEEP", "LEAVE"]
