"""What is wrong with the options of a rebuild is said before anything is fetched; what they were, in its hints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pacha.errors import PachaError
from pacha.rebuild import rebuild
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.result import SILENT
from pacha.store.selection import Selection
from pacha.wire.local_master import LocalMaster
from tests.support.package_plans import package, planned
from tests.support.proposing import proposal
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_a_target_that_can_be_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(PachaError, match="cannot be made") as caught:
            rebuild._check_options(RebuildOptions(target=os.fsencode(tmp_path / place)))
        assert caught.value.why == f"{tmp_path}/file is not a folder"
    rebuild._check_options(RebuildOptions(target=os.fsencode(tmp_path / "new/below")))


def test_packages_are_asked_about_before_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    @contextmanager
    def prepared(*arguments: object) -> Iterator[tuple[SimpleNamespace, Proposal]]:
        yield SimpleNamespace(), proposal(packages=planned(package("nginx")))

    def wants(proposed: Proposal) -> bool:
        asked.append("packages")
        return True

    def carry_out(attempt: object, proposed: Proposal) -> None:
        asked.append(proposed.packages.policy.value if proposed.packages else "")

    monkeypatch.setattr(rebuild, "_prepared", prepared)
    monkeypatch.setattr(rebuild, "carry_out", carry_out)
    reporter = replace(SILENT, wants_packages=wants, confirm=lambda proposed: asked.append("the plan"))
    rebuild.rebuild(None, "bar", reporter=reporter)  # type: ignore[arg-type]
    assert asked == ["packages", "the plan", "install"]


def test_an_owner_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PachaError, match="cannot be read"):
        rebuild._check_options(RebuildOptions(owner_map=tmp_path / "none"))


def test_an_offer_of_another_snapshot_goes_where_this_rebuild_was_meant_to_go() -> None:
    asked = Selection(((b"/etc/a b",),), ("foo",))
    assert rebuild._as_asked(RebuildOptions(target=b"/srv/look", asked=asked)) == (
        " --target /srv/look --path '/etc/a b' --directory foo"
    )
    assert rebuild._as_asked(RebuildOptions()) == ""


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_in_the_end_the_master_is_left_and_nothing_of_what_was_fetched(
    bar: Standalone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def plan(proposed: Proposal) -> None:
        assert left == [] and os.listdir(tmp_path / "fetched")
        if fails:
            raise OSError(5, "Input/output error")

    left: list[LocalMaster] = []
    monkeypatch.setattr(LocalMaster, "close", lambda master: left.append(master))
    bar.push()
    left.clear()
    (tmp_path / "fetched").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "fetched"))
    options = RebuildOptions(target=os.fsencode(tmp_path / "there"))
    with pytest.raises(OSError, match="Input/output") if fails else nullcontext():
        rebuild.propose(bar.context("fresh"), "bar", options, replace(SILENT, on_plan=plan))
    assert len(left) == 1 and os.listdir(tmp_path / "fetched") == []
