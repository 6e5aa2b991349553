"""The directories above what is watched, and those that cannot be looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.files import parents
from pacha.files.entry import Kind
from pacha.files.parents import observe_parents
from tests.support.scanning import ACCOUNTS


def test_they_are_all_there(tmp_path: Path) -> None:
    top = tmp_path.resolve()
    (top / "a/b").mkdir(parents=True)
    (top / "a").chmod(0o710)
    found, concerns = observe_parents([os.fsencode(top / "a/b"), os.fsencode(top / "gone/x")], {}, ACCOUNTS)
    assert found[os.fsencode(top / "a")].mode == 0o710 and concerns == []
    above = {os.fsencode(path) for path in top.parents if str(path) != "/"}
    assert found.keys() == {os.fsencode(top / "a"), os.fsencode(top), *above}
    assert all(entry.kind is Kind.DIRECTORY for entry in found.values())
    assert observe_parents([b"/"], {}, ACCOUNTS) == ({}, [])


def test_one_that_is_gone_stays_as_it_was(tmp_path: Path) -> None:
    watched = os.fsencode(tmp_path.resolve() / "a/b")
    os.makedirs(watched)
    known, _ = observe_parents([watched], {}, ACCOUNTS)
    os.removedirs(watched)
    tmp_path.mkdir(exist_ok=True)
    found, concerns = observe_parents([watched], known, ACCOUNTS)
    assert found.keys() == known.keys() and concerns == []


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file")])
def test_one_that_cannot_be_looked_at_stays_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    top = os.fsencode(tmp_path.resolve())
    known, _ = observe_parents([top + b"/x"], {}, ACCOUNTS)

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(parents.metadata, "observe", fail)
    found, concerns = observe_parents([top + b"/x"], known, ACCOUNTS)
    assert found == known and top in [concern.path for concern in concerns]
