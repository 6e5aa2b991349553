"""The paths that are bound to the machine that a host was: a rebuild leaves them as another machine has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from pacha.restore.plan import Withheld

_SHUT = "not restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Recorded paths that are not restored as they are, or that a person should know of.

    ``withheld`` stay as this machine has them; ``merged`` get another content, some with a reason in ``remarks``.
    ``named`` are restored, each with a reason why a person should know; ``dangling`` are links that lead to nothing,
    which are named together by reason. ``own`` tells whether a path that is not ``recorded`` belongs to this machine.
    ``other``: this is not the machine that the host was.
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
        """The same, with more paths that stay as they are here, each with its reason.

        Those whose content is ``shut`` are owed, those ``spared`` are not.
        """
        added = {path: Withheld(reason) for path, reason in spared.items()}
        added |= {path: Withheld(reason, _SHUT) for path, reason in shut.items()}
        if not added:
            return self
        return replace(
            self,
            withheld={**self.withheld, **added},
            merged={path: text for path, text in self.merged.items() if path not in added},
            recorded={*self.recorded, *added},
        )


UNBOUND = Bound()
