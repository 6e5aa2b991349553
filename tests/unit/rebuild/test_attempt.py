"""What a rebuild does besides files follows from whether this machine goes on as the host."""

from __future__ import annotations

import os

from pacha.fetch.fetched import Fetched
from pacha.rebuild.attempt import Attempt
from pacha.rebuild.options import RebuildOptions, ServicePolicy
from pacha.rebuild.renumber import InterruptedRenumbering
from pacha.rebuild.result import SILENT
from tests.support.proposing import proposal, rebuilt
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def attempt(bar: Standalone, options: RebuildOptions) -> Attempt:
    fetched: Fetched = rebuilt(proposal()).fetched
    return Attempt(
        context=bar.context("fresh"), host="bar", options=options, reporter=SILENT, staging=None,
        fetched=fetched, interrupted_renumbering=InterruptedRenumbering(), began=0.0, differences=(),
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_whole_rebuild_goes_on_as_the_host(bar: Standalone) -> None:
    whole = attempt(bar, RebuildOptions())
    assert whole.adopts
    assert whole.service_policy is (ServicePolicy.RESTART if os.geteuid() == 0 else ServicePolicy.LIST)


def test_what_is_asked_for_counts(bar: Standalone) -> None:
    assert attempt(bar, RebuildOptions(services=ServicePolicy.NONE)).service_policy is ServicePolicy.NONE


def test_below_another_folder_it_does_not(bar: Standalone) -> None:
    below = attempt(bar, RebuildOptions(target=b"/nowhere"))
    assert not below.adopts and below.service_policy is ServicePolicy.LIST
    assert below.services(proposal().preview, again=False) is None
