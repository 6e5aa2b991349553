"""What a rebuild of a part, or of another moment, may not do: be the host, end what a killed one began."""

from __future__ import annotations

from dataclasses import replace

from pacha.actions import moving, owed, survey
from pacha.actions.here import Here
from pacha.actions.preview import Choices, Preview
from pacha.actions.staging import Fetched
from pacha.errors import Concern, UsageError
from pacha.files.owners import Accounts
from pacha.restore.plan import Action, Outcome, Plan


def is_partial(choices: Choices) -> bool:
    """Whether it is less than the whole of the newest snapshot."""
    return bool(choices.at or choices.asked)


def placed(choices: Choices, fetched: Fetched) -> tuple[bytes, ...]:
    """The paths that are restored, as on disk; () for everything that this machine has of the host."""
    everything = tuple(one.path for one in fetched.snapshot.live) if choices.target else ()
    return tuple(survey.below(choices.target, path) for path in fetched.parts or everything)


def told(planned: Preview, choices: Choices, fetched: Fetched) -> Preview:
    """``planned`` with a word on each file that it parts from names which are not restored with it."""
    torn = {survey.below(choices.target, path) for path in fetched.torn}
    parted = [s for s in planned.plan.steps if s.path in torn and s.action in (Action.CREATE, Action.REPLACE)]
    words = tuple(
        Concern(step.path, "a file of its own from now on: its other names are not restored") for step in parted
    )
    return replace(planned, plan=replace(planned.plan, concerns=(*planned.plan.concerns, *words))) if words else planned


def begun(here: Here, choices: Choices) -> moving.Begun:
    """What a killed rebuild left half re-owned. Raises UsageError where only a part is asked for."""
    found = moving.begun(here.state)
    if found.moved and choices.asked and not choices.target:
        raise UsageError(
            "A rebuild that was re-owning files was killed.",
            "half of them belong to the numbers of before; a part of the host does not settle that",
            "Rebuild the whole host, or put back what was there: pacha undo",
        )
    return found


def settle_owed(here: Here, host: str, fetched: Fetched, plan: Plan, outcome: Outcome) -> None:
    """A part of this host's own newest snapshot settles what it restores of it, and owes what it could not.

    What an older snapshot says is not what pushes keep: that owes nothing.
    """
    if host != here.hostname() or not fetched.newest or here.state.memory().get("tip") != fetched.tip:
        return
    if not outcome.unrestored and not owed.paths(here.state):
        return
    left = survey.look(fetched.snapshot.live, {}, [], Accounts.of_machine(), fetched.parts)
    tried = {step.path for step in plan.steps if step.wanted is not None}
    owed.settle(here.state, tried, outcome.unrestored, left)
