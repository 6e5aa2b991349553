"""What a path on the command line means in a snapshot."""

from __future__ import annotations

import pytest

from pacha.errors import UsageError
from pacha.files.entry import Kind
from pacha.history.lookup import file_of
from pacha.store.snapshot import Snapshot
from tests.support.entries import entry_at
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.mark.parametrize(
    ("path", "code"),
    [(b"/link", "content-of-symlink"), (b"/dir", "not-a-regular-file"), (b"/pipe", "not-a-regular-file"),
     (b"/none", "path-not-in-snapshot")],
)  # fmt: skip
def test_only_a_regular_file_has_content(path: bytes, code: str) -> None:
    kinds = {b"/f": Kind.FILE, b"/link": Kind.SYMLINK, b"/dir": Kind.DIRECTORY, b"/pipe": Kind.FIFO}
    entries = {name: entry_at(name, kind, mode=0o644, owner=None, group=None) for name, kind in kinds.items()}
    assert file_of(Snapshot({}, (), entries), [b"/none", b"/f"]).path == b"/f"
    with pytest.raises(UsageError) as caught:
        file_of(Snapshot({}, (), entries), [path])
    assert caught.value.code == code
