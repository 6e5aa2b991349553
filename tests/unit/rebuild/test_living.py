"""A machine that is in use as another host is recognised; a new one, and the host itself, are not in the way."""

from __future__ import annotations

import os

from pacha.host.context import Context
from pacha.rebuild.living import living_machine
from pacha.rebuild.options import RebuildOptions
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

IN_PLACE = RebuildOptions()


def as_other(bar: Standalone) -> Context:
    """The machine of ``bar``, which is asked to become the host ``other``."""
    return bar.context(hostname="other")


def test_a_new_machine_and_the_host_itself_are_not(bar: Standalone) -> None:
    assert living_machine(bar.context("fresh"), "bar", IN_PLACE) is None
    bar.push()
    assert living_machine(bar.context(), "bar", IN_PLACE) is None


def test_one_that_pushes_as_another_host_is_told_with_what_it_watches(bar: Standalone) -> None:
    bar.push()
    living = living_machine(as_other(bar), "other", IN_PLACE)
    assert living is not None
    assert (living.name, living.masters, living.watched) == ("bar", ("local",), (os.fsencode(bar.tree),))
    assert living.pushed == bar.context().state.read().succeeded > 0


def test_below_a_target_nothing_is_overwritten(bar: Standalone) -> None:
    bar.push()
    assert living_machine(as_other(bar), "other", RebuildOptions(target=b"/mnt")) is None
    assert living_machine(as_other(bar), "other", RebuildOptions(target=b"/")) is not None
