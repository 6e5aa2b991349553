"""A push never makes what its own reader refuses: a new snapshot passes the reader's checks before it is committed.

The values come from a directory service, from file systems in user space and from folders that others move; any of
them may be what a snapshot cannot hold, or what no rebuild takes from a master.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pacha.errors import Concern, DamagedError, PachaError
from pacha.files import paths
from pacha.files.amended import Amended
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Account
from pacha.store.consistency import check_consistency, is_parent
from pacha.store.row_checks import check_account, check_entry, check_meta
from pacha.store.snapshot import Snapshot, other_than
from pacha.text import escape

_SAMPLE = Account(name=b"x", is_group=False, number=0)


@dataclass(frozen=True, slots=True)
class Readable:
    """A ``snapshot`` that its readers accept, what it leaves out, and the paths ``corrected`` for that."""

    snapshot: Snapshot
    concerns: tuple[Concern, ...]
    corrected: frozenset[bytes]


def readable(new: Snapshot, base: Snapshot) -> Readable:
    """``new`` in a form that its readers accept; what it shares with ``base`` was checked before.

    Raises PachaError if there is no such form.
    """
    if new == base:
        return Readable(new, (), frozenset())
    corrections = _Corrections(base)
    entries = corrections.entries(new)
    parents = corrections.parents(new)
    accounts = tuple(account for given in new.accounts if (account := corrections.account(given)) is not None)
    snapshot = replace(new, entries=entries, parents=parents, accounts=accounts) if corrections.concerns else new
    try:
        check_meta(snapshot.meta)
        check_consistency(snapshot, _placed_anew(snapshot, base))
    except (DamagedError, ValueError) as error:
        raise PachaError(
            "The new snapshot is not one that a rebuild would read.",
            error.why if isinstance(error, DamagedError) else str(error),
            "The master keeps the last one. Please report this.",
            code="snapshot-not-readable",
        ) from None
    return Readable(snapshot, tuple(corrections.concerns), frozenset(corrections.changed))


def _placed_anew(new: Snapshot, base: Snapshot) -> list[bytes] | None:
    """The paths of ``new`` that may lie where no path can; None if any of them may."""
    entries = new.entries
    if not isinstance(entries, Amended) or entries.base is not base.entries or _places(new) != _places(base):
        return None
    folders = (entry.path for entry in entries.replaced if entry.kind is Kind.DIRECTORY)
    stay = all(is_parent(entries.get(path)) for path in folders)  # what is below another one still has a place
    return entries.added if stay else None


def _places(snapshot: Snapshot) -> list[tuple[bytes, bool]]:
    return [(watched.path, watched.single) for watched in snapshot.live]


@dataclass(slots=True)
class _Corrections:
    base: Snapshot
    concerns: list[Concern] = field(default_factory=list)
    changed: set[bytes] = field(default_factory=set)

    def entries(self, new: Snapshot) -> Mapping[bytes, Entry]:
        """The entries of ``new`` in the form in which they are accepted."""
        changed, refused = dict[bytes, Entry](), []
        for path, entry in other_than(self.base.entries, new.entries).items():
            if (why := _refusal(check_entry, entry)) is None:
                continue
            self.changed.add(path)
            corrected = self._without_attributes(entry)
            if corrected is not None:
                changed[path] = corrected
            else:
                refused.append(path)
                self.concerns.append(Concern(path, f"not kept, as no snapshot can hold it: {why}"))
        if not changed and not refused:
            return new.entries
        entries = {**new.entries, **changed}
        for path in refused:
            for below in [each for each in entries if paths.is_within(each, path)]:
                self.changed.add(below)
                del entries[below]
        return entries

    def parents(self, new: Snapshot) -> dict[bytes, Entry]:
        """The parents of ``new`` that are accepted."""
        accepted = {}
        for path, entry in new.parents.items():
            parent = entry if _refusal(check_entry, entry) is None else self._without_attributes(entry)
            if parent is not None and is_parent(parent):
                accepted[path] = parent
            else:
                self.concerns.append(Concern(path, "its owner and mode are not kept, as it is not a folder now"))
        return accepted

    def _without_attributes(self, entry: Entry) -> Entry | None:
        """``entry`` without the attributes that are refused; None if it is refused all the same."""
        bare = entry._replace(xattrs=())
        kept = tuple(pair for pair in entry.xattrs if _refusal(check_entry, bare._replace(xattrs=(pair,))) is None)
        if kept == entry.xattrs or _refusal(check_entry, bare) is not None:
            return None
        lost = ", ".join(escape(name) for name, _ in entry.xattrs if name not in dict(kept))
        self.concerns.append(Concern(entry.path, f"kept without what no snapshot can hold: attribute {lost}"))
        return entry._replace(xattrs=kept)

    def account(self, account: Account) -> Account | None:
        """``account`` without the fields that are refused; None if its name or number is."""
        if _refusal(check_account, account) is None:
            return account
        lost = list(_lost_fields(account))
        kept = None if "name" in lost else replace(account, **{name: _kept(account, name) for name in lost})
        what = (
            "is not described" if kept is None else f"is described without its {' and '.join(lost).replace('_', ' ')}"
        )
        kind = "group" if account.is_group else "user"
        where = b"/etc/group" if account.is_group else b"/etc/passwd"
        reason = "for a new machine, as no account file could hold it; its files are kept as always"
        self.concerns.append(Concern(where, f"the {kind} {escape(account.name)} {what} {reason}"))
        return kept


def _lost_fields(account: Account) -> Iterator[str]:
    """The names of the fields that are refused; "name" for those without which there is no account."""
    if _refusal(check_account, replace(_SAMPLE, name=account.name, number=account.number, gid=account.gid)):
        yield "name"
    for name in ("home", "login_shell", "groups"):
        if _refusal(check_account, replace(_SAMPLE, **{name: getattr(account, name)})):
            yield name


def _kept(account: Account, name: str) -> Any:
    """The rest of a refused field: of ``groups`` those that are accepted, of any other field nothing."""
    if name != "groups":
        return b""
    return tuple(group for group in account.groups if not _refusal(check_account, replace(_SAMPLE, groups=(group,))))


def _refusal(check: Callable[[Any], object], value: Entry | Account) -> str | None:
    """Why the reader refuses ``value``, None if it does not."""
    try:
        check(value)
    except DamagedError as error:
        return error.why
    return None
