"""How much was purged: by the record in each host's folder; a forged one costs its own host's numbers."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.server.purge_counts import PurgeCount, purge_counts
from pacha.store import purges
from pacha.store.purges import Purge


def test_counts(tmp_path: Path) -> None:
    node, other = "a" * 40, "b" * 40
    record = [
        Purge(at=1.0, by="root", revisions={"etc": {b"x": frozenset([node, other])}}),
        Purge(at=2.0, by="root", revisions={"etc": {b"x": frozenset([node])}, "opt": {b"y": frozenset([node])}}),
    ]
    texts = {"bar": purges.encode_all(record), "forged": b"{]", "large": b"x" * 10, "none": None}
    for host, text in texts.items():
        (tmp_path / host).mkdir()
        if text is not None:
            (tmp_path / host / ".purged").write_bytes(text)
    found = list(purge_counts(os.fsencode(tmp_path), [*texts, "missing"]))
    assert found == [PurgeCount(host="bar", purges=2, revisions=3), PurgeCount(host="none", purges=0, revisions=0)]
