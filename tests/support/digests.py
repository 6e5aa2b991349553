"""A digest with everything in it."""

from __future__ import annotations

from pacha.fleet.digest import Digest
from pacha.fleet.digest_marks import Marks
from pacha.fleet.digest_reply import HostDigest, PathChange, SnapshotNote

NONE = {"added": 0, "changed": 0, "removed": 0, "metadata": 0}
HOST = HostDigest(
    host="web1", tip="a" * 40, counts={**NONE, "changed": 1, "added": 1}, snapshots=25,
    notes=(SnapshotNote(node="a" * 40, at=1e9, user="root@web1", message="why\nmore"),),
    paths=(
        PathChange(letter="M", path="/etc/motd", lines=("@@ -1,1 +1,1 @@", "-a", "+b"), cut=7),
        PathChange(letter="A", path="/etc/shadow", words=("mode 0600, root:root",), hidden="others may not read it"),
    ),
    packages=("nginx 1 -> 2",), back=("/etc/hosts",), left_out=3,
)  # fmt: skip


def made(*hosts: HostDigest, **faults: str) -> Digest:
    """A digest of a minute, of these hosts."""
    return Digest(since=1e9, until=1e9 + 60, hosts=hosts, faults=faults, news=tuple(faults), marks=Marks())
