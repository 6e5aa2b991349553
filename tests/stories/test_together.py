"""A host is pushed and rebuilt at the same time: each rebuild gives exactly one snapshot that was pushed.

``PACHA_ROUNDS`` says how many rounds (12); 200 take some minutes.
"""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

import pytest

from tests.support.amount import amount
from tests.support.stage import Host, Stage, picture

pytestmark = [pytest.mark.soak, pytest.mark.slow]

ROUNDS = int(amount("PACHA_ROUNDS", sample=5, soak=200))


class Pusher:
    """Changes a tree and pushes it, over and over; remembers what every snapshot looked like."""

    def __init__(self, host: Host, tree: Path) -> None:
        self.host, self.tree = host, tree
        self.pushed: list[dict[bytes, tuple[object, ...]]] = []
        self.failure: BaseException | None = None
        self.done = threading.Event()
        self._random = random.Random(1)

    def push(self) -> None:
        """One round: change something of every kind, then push."""
        number = len(self.pushed)
        for name in self._random.sample(range(40), 8):
            path = self.tree / f"folder{name % 4}" / f"file{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and self._random.random() < 0.2:
                path.unlink()
            else:
                path.write_bytes(self._random.randbytes(self._random.randrange(20_000)))
                path.chmod(self._random.choice([0o600, 0o644, 0o755, 0o4711]))
        (self.tree / "round").write_text(f"{number}\n")
        self.pushed.append(picture(self.tree))
        self.host.push()

    def __call__(self) -> None:
        try:
            while not self.done.is_set():
                self.push()
        except BaseException as failure:
            self.failure = failure


def test_pushes_and_rebuilds_of_one_host(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    bar, looker = stage.host("bar"), stage.host("bar", machine="looker", added=False)
    tree, out = stage.folder / "tree", stage.folder / "out"
    pusher = Pusher(bar, tree)
    tree.mkdir()
    bar.watch(tree)
    pusher.push()
    thread = threading.Thread(target=pusher)
    thread.start()
    seen = set()
    try:
        for _ in range(ROUNDS):
            looker.rebuild("--target", out)
            got = picture(Path(f"{out}{tree}"))
            number = int(Path(f"{out}{tree}/round").read_text())
            assert got == pusher.pushed[number], f"not the snapshot {number}"
            seen.add(number)
            shutil.rmtree(out)
            if pusher.failure:
                break
    finally:
        pusher.done.set()
        thread.join()
    assert pusher.failure is None, pusher.failure
    bar.verify_master()
    with capsys.disabled():
        print(f"\n{ROUNDS} rebuilds gave {len(seen)} of {len(pusher.pushed)} snapshots")
