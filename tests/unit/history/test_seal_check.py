"""What a snapshot sealed is proved to open, or named."""

from __future__ import annotations

from pathlib import Path

from pacha.history.access import open_history
from pacha.history.seal_check import check
from pacha.push.push import push
from pacha.sealing import age
from tests.support.sealing import new_identity, sealers
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_each_file_is_opened_or_named(bar: Standalone) -> None:
    people = sealers(bar.top / "people")
    (bar.tree / "a.key").write_text("a\n")
    (bar.tree / "b.key").write_text("b\n")
    here = bar.context(seal="*.key", **people.settings)
    push(here)
    new_identity(people.folder / "stranger")

    def checked(path: Path) -> tuple[int, int]:
        with open_history(here) as history:
            found = check(history, age.identities(path.read_bytes(), "", str))
        return found.sealed, len(found.concerns)

    assert checked(people.offline) == checked(people.at_hand) == (2, 0)
    assert checked(people.folder / "stranger") == (2, 2)
