"""Write a repository with its first revision, byte for byte as Mercurial would, without importing all of Mercurial.

The repository lies at a temporary path until it is complete, so there is no transaction. The formats: Mercurial's help
topic internals.changelogs (``mercurial/changelog.py``), and those of ``new_store``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from struct import Struct
from typing import Protocol

from pacha.errors import DamagedError, PachaError, cause
from pacha.store import repository_dir
from pacha.store.growth import Growth
from pacha.store.hg.new_store import FORMAT_FILES, NEW, Log, NewStore, encoded, encoded_folders, names_of
from pacha.store.revision import Content, Note
from pacha.system.syscalls import sync_file, sync_file_system

_LOG = Struct("20s1s?")  #: a ``Log``
_NONE = bytes(20)  #: the null node
_OURS, _THEIRS = 16, 256  #: files that each process writes before it looks at the other


class SecondWriter(Protocol):
    """Another process that reads files and writes their logs; it may fail, and leave any of them."""

    def give(self, repository: str, names: Sequence[bytes]) -> int:
        """Let it write the logs of the last of ``names`` into the new repository at that path; return of how many."""

    def has_ended(self) -> bool:
        """Whether it has written everything that it was given, or has ended."""

    def written(self) -> Sequence[Log | None] | None:
        """The log of each name, or None for one that it did not write; None instead where the process failed."""

    def end(self) -> None:
        """End it, so that it writes nothing more."""


def make_repository(
    path: str,
    names: Iterable[bytes],
    content: Content,
    note: Note,
    growth: Growth | None = None,
    second: SecondWriter | None = None,
) -> str:
    """Create the repository at ``path``, which does not exist, and return the node of its only revision.

    ``names`` and ``content`` as in ``Repository.commit``. What ``content`` raises is passed on, except for OSError;
    then no repository stays. ``growth`` gets each file as soon as it is written, and ends when the repository is at
    ``path`` on the disk. ``second`` may write some of the logs, for which ``content`` is not called. Raises PachaError.
    """
    new = ""
    try:
        new = repository_dir.temporary_path(path)
        node = _fill(new, sorted(names), content, note, growth, second)
        _install(new, path)
        if growth:
            growth.end(is_whole=True)
        return node
    except BaseException as error:
        if second:
            second.end()  # before its folder is removed
        if not isinstance(error, OSError):
            raise
        message = f"The repository {path} cannot be written."
        hint = "Make room there, or fix that, then run this again."
        raise PachaError(message, cause(error), hint, code="disk-refused") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def complete(path: str, files: Collection[bytes]) -> None:
    """Make a repository of the ``files`` that were received in its store at ``path`` (names below the store).

    Only the list of names is read, and must have exactly these files: Mercurial opens what it names. Raises
    DamagedError, OSError.
    """
    store = os.path.join(os.fsencode(path), os.fsencode(repository_dir.STORE))
    try:
        with open(os.path.join(store, b"fncache"), "rb") as stream:
            listed = stream.read()
    except FileNotFoundError:
        listed = b""
    names = _decode_folders(listed).splitlines()
    logs = {name for name in files if name.startswith((b"data/", b"dh/"))}
    is_own = encoded_folders(b"".join(name + b"\n" for name in names)) == listed
    if not (is_own and b"00changelog.i" in files and len(names) == len(logs) and set(map(encoded, names)) == logs):
        why = "its list names other files"
        message = f"The files that came for the repository {os.path.basename(path)} are not a history."
        raise DamagedError(message, why, "Push again.", code="files-do-not-fit")
    for name, text in FORMAT_FILES.items():
        with open(os.open(os.path.join(store, name), NEW, 0o600), "wb") as stream:
            stream.write(text)


def _decode_folders(text: bytes) -> bytes:
    """The names that ``encoded_folders`` was given (mercurial/store.py, decodedir)."""
    return text.replace(b".d.hg/", b".d/").replace(b".i.hg/", b".i/").replace(b".hg.hg/", b".hg/")


def _install(new: str, path: str) -> None:
    """Rename ``new`` to ``path``, and sync both to the disk, as pacha.db, which is synced, will name the revision.

    After a power cut, a push sends the files that no master has yet, without reading them again.
    """
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file_system(folder)
        os.rename(new, path)
        sync_file(folder)
    finally:
        os.close(folder)


def _fill(
    path: str,
    names: list[bytes],
    content: Content,
    note: Note,
    growth: Growth | None,
    second: SecondWriter | None,
) -> str:
    store = NewStore(os.fsencode(path), growth.add if growth else None)
    store.begin()
    if growth:
        growth.begin(path)
    files, lines, listed = list[bytes](), bytearray(), bytearray()  # a list of 100,000 lines takes twice as much memory
    for name, log in _Logs(store, path, names, content, second).write():
        files.append(name)
        lines += b"%s\0%s%s\n" % (name, log.node.hex().encode(), log.flags)
        for file in names_of(name, log):
            listed += file + b"\n"
    manifest = store.add(b"00manifest", bytes(lines))
    del lines
    user, message = (text.encode("utf-8", "replace") for text in (note.user, note.message))
    message = b"\n".join(line.rstrip() for line in message.splitlines()).strip(b"\n")
    date = b"%d 0" % note.at
    store.write(b"fncache", encoded_folders(bytes(listed)))
    node = store.add(b"00changelog", b"\n".join([manifest.hex().encode(), user.strip(), date, *files, b"", message]))
    store.write(b"phaseroots", b"1 %s\n" % node.hex().encode())  # on no master yet (hg help phases)
    return node.hex()


class _Logs:
    """Writes the logs of ``names`` into the repository at ``path`` from the first on, ``second`` from the last on."""

    def __init__(
        self, store: NewStore, path: str, names: Sequence[bytes], content: Content, second: SecondWriter | None
    ) -> None:
        self._store, self._path, self._names, self._content, self._second = store, path, names, content, second
        self._end, self._given = len(names), 0
        self._theirs: list[bytes] = []  #: packed logs of each share of ``second``, from the last names on

    def write(self) -> Iterator[tuple[bytes, Log]]:
        """Each name that has content, in order, with its log. Raises OSError, and what ``content`` raises."""
        begin = 0
        while begin < self._end:
            if begin % _OURS == 0:
                self._hand_over(begin)
            yield from self._own(self._names[begin])
            begin += 1
        self._take_back()
        theirs = chain.from_iterable(_LOG.iter_unpack(some) for some in reversed(self._theirs))
        for name, (node, flags, is_apart) in zip(islice(self._names, begin, None), theirs, strict=True):
            if node != _NONE:
                yield name, Log(node, flags.rstrip(b"\0"), is_apart)
            else:
                self._store.discard(name)
                yield from self._own(name)

    def _own(self, name: bytes) -> Iterator[tuple[bytes, Log]]:
        if (blob := self._content(name)) is not None:
            yield name, self._store.add_file(name, blob)

    def _hand_over(self, begin: int) -> None:
        """Give the second process more names if it is idle; ever fewer towards the end, so that neither waits long."""
        if self._given and self._second and self._second.has_ended():
            self._take_back()
        count = min(_THEIRS, (self._end - begin) // 2)
        if self._second and not self._given and count:
            self._given = self._second.give(self._path, self._names[self._end - count : self._end])
            self._end -= self._given

    def _take_back(self) -> None:
        """Wait until the second process has written its share. Once it has failed, it gets no more."""
        if not self._given or self._second is None:
            return
        if (logs := self._second.written()) is None:
            logs, self._second = [None] * self._given, None
        for name, log in zip(islice(self._names, self._end, self._end + self._given), logs, strict=True):
            if log:
                self._store.accept(name, log)
        self._theirs.append(b"".join(_LOG.pack(*(log or Log(_NONE))) for log in logs))
        self._given = 0
