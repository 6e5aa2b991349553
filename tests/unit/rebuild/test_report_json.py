"""The report of a rebuild for programs: paths as they are, what each step changes."""

from __future__ import annotations

import os

from pacha.rebuild import report_json
from pacha.restore.plan import Action
from tests.support.proposing import ODD, TIP, entry, proposal, rebuilt_with_everything, step


def test_programs_get_paths_as_they_are() -> None:
    made = report_json.as_json(rebuilt_with_everything())
    assert made["owed"] == [os.fsdecode(ODD)] == [concern["path"] for concern in made["concerns"][:1]]
    assert (made["snapshot"], made["host"], made["adopted"], made["seconds"]) == (TIP, "bar", True, 1.5)
    assert made["done"] == {action.value: 2 for action in Action}
    assert [hook["failure"] for hook in made["ran"]] == ["", "it failed", "it failedit failed"]
    assert made["target"] == "/t\udcff"


def test_each_step_tells_what_was_and_what_is_to_be() -> None:
    changed = step(
        Action.REPLACE,
        actual=entry(b"/w/f", mode=0o600, uid=7, size=9),
        uid=1,
        gid=2,
        mode=0o4755,
        reason="size 9 -> 3",
    )
    made, created = report_json.proposal_json(proposal(changed, step(Action.CREATE, b"/w/g")))["steps"]
    assert (made["action"], made["reason"], made["old"]["mode"], made["old"]["uid"]) == (
        "replace", "size 9 -> 3", "0600", 7,
    )  # fmt: skip
    assert made["new"] == {
        "kind": "f", "mode": "4755", "uid": 1, "gid": 2, "size": 3, "mtime_ns": 5, "sha256": (b"s" * 32).hex(),
    }  # fmt: skip
    assert "old" not in created and "reason" not in created and "shortfall" not in created
