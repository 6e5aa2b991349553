"""What was fetched, as it was on the host and as it is recorded."""

from __future__ import annotations

from pacha.fetch.fetched import Fetched, opened_snapshot
from pacha.sealing.opener import Opened
from pacha.store.revision import Note
from pacha.store.snapshot import Snapshot
from tests.support.entries import entry_at


def test_what_was_opened_is_as_on_the_host_and_sealed_again_in_the_record() -> None:
    sealed = entry_at(b"/w/secret", size=3, sha256=b"k" * 32, stored=b"secret")._replace(sealed=b"c" * 32)
    plain = entry_at(b"/w/plain", size=3, sha256=b"p" * 32, stored=b"plain")
    recorded = Snapshot({}, (), {entry.path: entry for entry in (sealed, plain)})
    assert opened_snapshot(recorded, {}) is recorded
    opened = opened_snapshot(recorded, {sealed.path: Opened(((b"user.more", b"1"),), b"s" * 32)})
    found = opened.entries[sealed.path]
    assert (found.sha256, found.xattrs, found.sealed) == (b"s" * 32, ((b"user.more", b"1"),), None)
    assert opened.entries[plain.path] is plain
    fetched = Fetched(
        snapshot=opened, tip="", note=Note("", "", 0.0), changelog="", files=2, size=6, seconds=0.0,
        sealed={sealed.path: sealed},
    )  # fmt: skip
    assert fetched.recorded == recorded
