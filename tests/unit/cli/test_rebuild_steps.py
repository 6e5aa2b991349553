"""What the command line of a rebuild asks for, as the rebuild has it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.cli.rebuild_steps import RebuildRequest
from pacha.rebuild.options import DEFAULTS, AccountPolicy
from pacha.ui.progress import Style
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

PLAIN = RebuildRequest(
    host="bar", at="", paths=(), directories=(), target=None, delete=False, owner_map=None, accounts=None,
    hardware=None, packages=None, services=None, selinux="policy", hooks=False, dry_run=False,
    as_json=False, progress=None, master="", signers=None, wait=0.0, yes=False,
)  # fmt: skip


def test_the_signers_are_of_the_folder_where_it_is_typed(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bar.top)
    assert replace(PLAIN, signers="signers").options(bar.context()).signers == f"{bar.top}/signers"
    assert replace(PLAIN, signers="").options(bar.context()).signers == str(bar.top)  # which is no file


def test_without_options_it_is_the_default(bar: Standalone) -> None:
    assert PLAIN.options(bar.context()) == DEFAULTS and PLAIN.style is Style.AUTO


def test_every_option_arrives(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bar.top)
    options = replace(
        PLAIN, at="yesterday", paths=("/etc/a",), directories=("foo",), target="out", delete=True, owner_map="/m",
        accounts="keep", master="m", wait=5.0, progress="bar",
    ).options(bar.context())  # fmt: skip
    assert (options.at, options.asked.directories, options.delete, options.by_master) == (
        "yesterday",
        ("foo",),
        True,
        True,
    )
    assert options.asked.paths[0][0] == b"/etc/a" and options.target == os.fsencode(bar.top / "out")
    assert (options.owner_map, options.accounts, options.wait_seconds) == (Path("/m"), AccountPolicy.KEEP, 5.0)


@pytest.mark.parametrize(
    "part", [{"target": "/t"}, {"paths": ("/etc",)}, {"directories": ("etc",)}, {"at": "1 day ago"}]
)
def test_a_rehearsal_or_a_part_runs_hooks_only_if_it_is_told_to(bar: Standalone, part: dict[str, object]) -> None:
    configured = bar.context(hooks="yes")
    request = replace(PLAIN, **part)  # type: ignore[arg-type]
    assert PLAIN.options(configured).hooks and not PLAIN.options(bar.context()).hooks
    assert not request.options(configured).hooks and replace(request, hooks=True).options(bar.context()).hooks


def test_a_person_is_asked_unless_nothing_is_changed_or_nobody_is_there() -> None:
    assert PLAIN.asks and not replace(PLAIN, yes=True).asks and not replace(PLAIN, dry_run=True).asks
