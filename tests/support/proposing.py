"""A rebuild's proposal and its result, from steps."""

from __future__ import annotations

from dataclasses import replace

from pacha.errors import Concern
from pacha.fetch.fetched import Fetched
from pacha.files.entry import Entry, Kind
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.planning import PlannedRebuild
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.result import Rebuilt
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Action, Plan, Step
from pacha.store.revision import Note
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at

TIP = "ab" * 20
ODD = b"/w/odd\xff\x1b[m"  #: a name that is no text, and that a terminal would obey
SNAPSHOT = Snapshot({"host": "bar"}, (Watched(path=b"/w", single=False, repository="w", node="cd" * 20),))


def entry(path: bytes, kind: Kind = Kind.FILE, **more: object) -> Entry:
    made = entry_at(path, kind, mode=0o644, mtime_ns=5, size=3, sha256=b"s" * 32 if kind is Kind.FILE else None)
    return made._replace(**more)  # type: ignore[arg-type]


def step(action: Action, path: bytes = b"/w/f", **more: object) -> Step:
    """A step with a wanted entry, if its action has one, and one that was found."""
    wanted = None if action is Action.EXTRA else entry(path)
    found = None if action is Action.CREATE else entry(path)
    made = Step(path=path, action=action, wanted=wanted, actual=found, mode=0o644)
    return replace(made, **more)  # type: ignore[arg-type]


def proposal(*steps: Step, delete: bool = False, **more: object) -> Proposal:
    """The proposal of these steps; ``more`` are other fields of it, or of its plan."""
    of_plan = {key: more.pop(key) for key in ("concerns", "ownerless") if key in more}
    plan = Plan(steps=steps, roots=(b"/w",), delete=delete, **of_plan)  # type: ignore[arg-type]
    planned = PlannedRebuild(plan=plan, wanted={one.path: one.wanted for one in steps if one.wanted is not None})
    made = Proposal(host="bar", tip=TIP, at=1e9, by="root@bar", target=b"", snapshot=SNAPSHOT, preview=planned)
    return replace(made, **more)  # type: ignore[arg-type]


def rebuilt(proposed: Proposal, outcome: Outcome | None = None, **more: object) -> Rebuilt:
    """What came of it: by default all that was proposed."""
    done = Outcome(proposed.preview.plan.totals) if outcome is None else outcome
    fetched = Fetched(
        snapshot=SNAPSHOT, tip=TIP, note=Note("", "root@bar", 1e9), changelog="", files=1, size=3, seconds=1.0
    )
    made = Rebuilt(proposal=proposed, outcome=done, ran=(), adopted=False, fetched=fetched)
    return replace(made, **more)  # type: ignore[arg-type]


EVERY = tuple(step(action, b"/w/%s" % action.value.encode()) for action in Action)


def rebuilt_with_everything() -> Rebuilt:
    """A result with something in each of its fields."""
    outcome = Outcome(
        dict.fromkeys(Action, 2), (Concern(ODD, "not kept"), Concern(b"/w/f", "x")), (ODD,), (b"/w/corrected",)
    )
    mapped = step(Action.SAME, b"/w/z", wanted=entry(b"/w/z", uid=33, owner=b"www\x1b"), uid=133)
    ran = tuple(HookRun(f"pacha_post/{number}", "it failed" * number, b"out\x1b[2J\xff\n") for number in range(3))
    proposed = proposal(*EVERY, mapped, delete=True, target=b"/t\xff", parts=tuple(b"/w/%d" % n for n in range(9)))
    return rebuilt(proposed, outcome, ran=ran, adopted=True, report="/r", seconds=1.5)
