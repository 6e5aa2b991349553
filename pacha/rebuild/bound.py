"""What is bound to the machine of a host, so that a rebuild leaves it as another machine has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from pacha.restore.plan import Withheld

_SHUT = "not restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Recorded paths that are not restored as they are.

    ``withheld`` stay as this machine has them, ``merged`` get another content, each for a reason in ``remarks`` or for
    none. ``named`` are restored, and a person should know why; ``dangling`` are links that lead to nothing, each with
    the reason to name them together. ``own`` tells whether a path that is not among the ``recorded`` ones belongs to
    this machine. ``other``: it is not the machine that the host was.
    """

    withheld: Mapping[bytes, Withheld] = field(default_factory=dict)
    merged: Mapping[bytes, bytes] = field(default_factory=dict)
    remarks: Mapping[bytes, str] = field(default_factory=dict)
    named: Mapping[bytes, str] = field(default_factory=dict)
    dangling: Mapping[bytes, str] = field(default_factory=dict)
    own: Callable[[bytes], Withheld | None] = lambda path: None
    recorded: Collection[bytes] = frozenset()
    other: bool = False

    def of(self, path: bytes) -> Withheld | None:
        """Why ``path`` stays as it is here, None where it does not."""
        return self.withheld.get(path) if path in self.recorded else self.own(path)

    def without(self, spared: Mapping[bytes, str], shut: Mapping[bytes, str]) -> Bound:
        """This one, with paths that stay as they are here: those ``spared``, and those whose content is ``shut``.

        They come with the reasons. Only what is shut is owed.
        """
        lacking = {path: Withheld(reason) for path, reason in spared.items()}
        lacking |= {path: Withheld(reason, _SHUT) for path, reason in shut.items()}
        if not lacking:
            return self
        return replace(
            self,
            withheld={**self.withheld, **lacking},
            merged={path: text for path, text in self.merged.items() if path not in lacking},
            recorded={*self.recorded, *lacking},
        )


UNBOUND = Bound()
