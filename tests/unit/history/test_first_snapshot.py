"""The first snapshot that names a revision of a content repository."""

from __future__ import annotations

from pacha.history.access import open_history
from pacha.history.first_snapshot import Naming
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_the_snapshot_that_came_with_it(bar: Standalone) -> None:
    tips = []
    for text in ("1\n", "2\n", "3\n"):
        (bar.tree / "one").write_text(text)
        tips.append(bar.push().tip)
    with open_history(bar.context()) as history:
        revisions = list(history.revisions)[::-1]
        nodes = [history.watched(revision)[0].node or "" for revision in revisions]
        naming = Naming(history=history, name="foo", node=nodes[-1], revisions=revisions, watched=history.watched)
        assert [naming.first(node).node for node in nodes] == tips == [revision.node for revision in revisions]
