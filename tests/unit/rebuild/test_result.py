"""The concerns of a rebuild: its own, and the hooks that failed."""

from __future__ import annotations

from pacha.errors import Concern
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.result import SILENT
from pacha.restore.outcome import Outcome
from tests.support.proposing import proposal, rebuilt


def test_a_hook_that_failed_is_a_concern_beside_the_paths() -> None:
    ran = (HookRun("pacha_pre/a", "", b""), HookRun("pacha_post/b", "it ended with 3", b""))
    done = rebuilt(proposal(), Outcome(concerns=(Concern(b"/w/f", "not restored"),)), ran=ran)
    assert [concern.path for concern in done.concerns] == [b"/w/f", b"pacha_post/b"]
    assert "it ended with 3" in done.concerns[1].reason


def test_whoever_is_silent_hinders_nothing() -> None:
    for tell in (SILENT.on_file, SILENT.on_fetched, SILENT.on_plan, SILENT.confirm, SILENT.on_hook, SILENT.on_step):
        tell(None)  # type: ignore[arg-type]
    SILENT.on_expected(1)
