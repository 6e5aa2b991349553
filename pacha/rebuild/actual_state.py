"""Read what is on disk where a rebuild wants to write, and which accounts are in force there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pacha.errors import Concern, PachaError
from pacha.files import content, dirfd, metadata, scan
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind
from pacha.files.exclude import Rules
from pacha.files.owners import Accounts
from pacha.files.paths import is_within_any, rebase
from pacha.files.scanned import SOCKET
from pacha.files.watch import Watch
from pacha.store.snapshot import Snapshot, Watched, parents_of
from pacha.system.presence import is_absent
from pacha.text import escape

PASSWD, GROUP = b"/etc/passwd", b"/etc/group"
_UNSEEN = "cannot be looked at here as a whole: what the plan is going to make there may be there already"


def read_actual_state(
    roots: Iterable[Watched],
    target: Mapping[bytes, Entry],
    parents: Iterable[bytes],
    accounts: Accounts,
    parts: tuple[bytes, ...] = (),
    unseen: list[Concern] | None = None,
) -> dict[bytes, Entry]:
    """Return the entries at and below ``roots`` (paths as on disk) and at ``parents``, by path.

    A file has its sha256 where its size equals that in ``target``; the names of a hard link share a group. Leaves out
    what the roots' own rules exclude, sockets where ``target`` has nothing, and with ``parts`` (paths as on disk) all
    but those and what is below them. A path that exists but cannot be looked at is put into ``unseen``.
    """
    places = list(roots)
    watches = [Watch(p.path, p.single, Rules.of(p.exclude), p.one_filesystem, parts) for p in places]
    walked = scan.scan(watches, {}, {}, accounts)
    actual = dict(walked.entries)
    for number, paths in enumerate(walked.linked.values(), 1):
        actual.update({path: actual[path]._replace(link_group=number) for path in paths if path in actual})
    sockets = {path for path, what in walked.left_out.items() if what == SOCKET and path in target}
    for path in sockets | {place.path for place in places} - actual.keys():
        if (entry := _entry(path, accounts)) is not None:
            actual[path] = entry
    for place in places:
        _read_equal_sizes(place, actual, target)
    of_another_kind = {p.path for p in places if _is_of_another_kind(p, actual.get(p.path))}
    concerns = [concern for concern in walked.concerns if concern.path not in of_another_kind]
    missed = _missed(concerns, actual, accounts)
    if unseen is not None:
        unseen += [Concern(path, _UNSEEN) for path in missed]
    if parts:
        actual = {path: entry for path, entry in actual.items() if is_within_any(path, parts)}
    for path in parents:
        if path not in actual and (entry := _entry(path, accounts)) is not None:
            actual[path] = entry
    return actual


def _is_of_another_kind(place: Watched, actual: Entry | None) -> bool:
    """Whether something is at ``place`` that is moved aside as a whole."""
    return actual is not None and (actual.kind is Kind.DIRECTORY) == place.single


def _missed(concerns: Iterable[Concern], actual: dict[bytes, Entry], accounts: Accounts) -> list[bytes]:
    """The paths of ``concerns`` that exist and are not wholly known; adds what can be observed to ``actual``."""
    missed = []
    for path in dict.fromkeys(concern.path for concern in concerns):
        if path in actual:
            missed.append(path)
        elif (entry := _entry(path, accounts)) is not None:
            actual[path] = entry
        elif not is_absent(path):
            missed.append(path)
    return missed


def is_system(target: bytes) -> bool:
    """Whether ``target`` is the root of a system, as this machine's (b"") is, and not just a folder."""
    return not target or os.path.lexists(rebase(PASSWD, target))


def accounts_in_force(target: bytes, restored: Mapping[bytes, bytes], machine: Accounts) -> tuple[Accounts, str]:
    """The accounts by which names are resolved, and a description of where they come from.

    Those that the rebuild restores (``restored``: the content of /etc/passwd and /etc/group, where the snapshot has
    them), else those of ``target``, else those of this ``machine``. A directory service of this machine stays in force.
    """
    texts = [restored.get(path) or account_file(path, target) for path in (PASSWD, GROUP)]
    if restored:
        files = Accounts.from_files(texts[0] or b"", texts[1] or b"")
        local = None if target else accounts_of_root(target)
        return files.with_directory(machine, local) if local else files, "the account files of the snapshot"
    if target and None not in texts:
        return Accounts.from_files(texts[0] or b"", texts[1] or b""), f"the account files below {escape(target)}"
    return machine, "this machine's accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsBefore:
    """The accounts at a target before a rebuild: those of its account ``files``, and all that are ``known`` there.

    Both are None for a folder that is not the root of a machine.
    """

    files: Accounts | None
    known: Accounts | None


def accounts_before(target: bytes, machine: Accounts) -> AccountsBefore:
    """The accounts at ``target`` (b"": this ``machine``). Raises PachaError if those of another root cannot be read."""
    files = accounts_of_root(target)
    if target and files is None and is_system(target):
        raise PachaError(
            f"The accounts of the machine at {escape(target)} cannot be read.",
            f"its {escape(PASSWD)} is not a plain file there",
            "Put a plain file there, so that its other files can follow their names, and run this again.",
            code="target-accounts-unreadable",
        )
    return AccountsBefore(files=files, known=files if target else machine)


def accounts_of_root(target: bytes) -> Accounts | None:
    """The accounts of the machine whose root is at ``target``; None for another folder, or if they cannot be read."""
    passwd, group = account_file(PASSWD, target), account_file(GROUP, target)
    if passwd is None or (group is None and os.path.lexists(rebase(GROUP, target))):
        return None
    return Accounts.from_files(passwd, group or b"")


def account_file(path: bytes, target: bytes) -> bytes | None:
    """The content of /etc/passwd or /etc/group, below ``target`` if that is not b""; None where it cannot be read.

    No link is followed below ``target``: it might lead to the account files of this machine.
    """
    return read_below(target, path) if target else read(path)


def read_below(root: bytes, path: bytes, most: int = -1) -> bytes | None:
    """The content of the small file ``path`` below ``root``, or its first ``most`` bytes; None where it cannot be read.

    Follows no link below ``root``.
    """
    try:
        with DirectoryFds(root) as descent:
            directory, name = descent.parent(path[1:])
            return _content(os.open(name, dirfd.READ, dir_fd=directory), most)
    except OSError:
        return None


def above(snapshot: Snapshot, target: bytes) -> list[bytes]:
    """The parent directories of what ``snapshot`` restores, as on disk below ``target``."""
    paths = {path for watched in snapshot.live for path in parents_of(watched.path)}
    return sorted(rebase(path, target) for path in paths | snapshot.parents.keys())


def _entry(path: bytes, accounts: Accounts) -> Entry | None:
    try:
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return metadata.observe(os.path.basename(path), fd, path, accounts)
    except OSError:
        return None
    finally:
        os.close(fd)


def _read_equal_sizes(root: Watched, actual: dict[bytes, Entry], target: Mapping[bytes, Entry]) -> None:
    """Hash the files that have the target's size: only their content can be the same."""
    top = os.path.dirname(root.path) if root.single else root.path
    alike = [
        path
        for path, entry in actual.items()
        if entry.kind is Kind.FILE and path in target and root.holds(path) and target[path].size == entry.size
    ]
    if not alike:
        return
    with suppress(OSError), DirectoryFds(top) as descent:  # removed meanwhile: all of it differs
        for path in sorted(alike):
            with suppress(OSError):  # changed meanwhile: it differs
                directory, name = descent.parent(root.relative(path))
                actual[path] = content.digest(actual[path], name, directory)


def read(path: bytes) -> bytes | None:
    """The content of a small file of this machine, None where it cannot be read."""
    try:
        return _content(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return None


def _content(fd: int, most: int = -1) -> bytes | None:
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        with open(fd, "rb", closefd=False) as stream:
            return stream.read(most)
    finally:
        os.close(fd)  # open() leaves a directory's open
