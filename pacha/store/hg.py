"""Mercurial in this process. The only module that imports it; each function is one verb of ours.

Mercurial promises nothing about its modules (``hg help internals``), which is why no other module knows
them and why the version is pinned below the next major one. No configuration but our own is ever read:
not a user's, not the system's, not that of a repository, which may have come from anywhere.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Union

# Paramiko's cryptography and Mercurial's demandimport clash; demandimport stays off. The environment is
# read when Mercurial is imported: HGRCPATH empty means no configuration files, HGRCSKIPREPO skips a
# repository's own (hg help environment; mercurial/localrepo.py, loadhgrc).
os.environ.update({"HGRCPATH": "", "HGRCSKIPREPO": "1", "HGPLAIN": "1", "HGMODULEPOLICY": "allow"})

import mercurial.initialization  # noqa: E402, F401
from mercurial import (  # noqa: E402
    context,
    error,
    exchange,
    extensions,
    hg,
    node as nodes,
    scmutil,
    sshpeer,
    ui as uimodule,
    util,
)

from mercurial.utils import urlutil  # noqa: E402

from pacha.errors import DamagedError, PachaError, UnreachableError  # noqa: E402

NULL = "0" * 40
#: Requirements of a store (hg help internals.requirements) that this module reads straight from its files.
KNOWN_REQUIREMENTS = frozenset(
    [
        b"dotencode", b"fncache", b"generaldelta", b"revlogv1", b"sparserevlog", b"store",
        b"revlog-compression-zstd", b"persistent-nodemap",
    ]
)  # fmt: skip
#: How a repository is created, here and on the master, so that no configuration there chooses it.
FORMAT = (
    ("format.use-share-safe", "yes"),
    ("format.sparse-revlog", "yes"),
    ("format.usegeneraldelta", "yes"),
    ("format.usestore", "yes"),
    ("format.usefncache", "yes"),
    ("format.dotencode", "yes"),
    ("format.revlog-compression", "zstd,zlib"),
    ("format.use-persistent-nodemap", "no"),
    ("format.use-dirstate-v2", "no"),
)
_LOCK_SECONDS = 30


class Pipes(Protocol):
    """Where ``hg serve --stdio`` answers: what ``wire.ssh`` calls a stream."""

    @property
    def stdin(self) -> Any: ...
    @property
    def stdout(self) -> Any: ...
    @property
    def stderr(self) -> Any: ...


#: A repository elsewhere: the path (str) of one on this machine, or the pipes to one served.
Remote = Union[str, Pipes]


@dataclass(frozen=True, slots=True)
class Blob:
    """What a commit stores under a name: bytes and whether it is a symlink's target or executable."""

    data: bytes
    is_link: bool = False
    is_executable: bool = False


#: Gives the blob of a stored name, or None when it is gone.
Content = Callable[[bytes], Blob | None]


@dataclass(frozen=True, slots=True)
class Note:
    """What a revision says of itself: message and user (str), time (seconds since the epoch)."""

    message: str
    user: str
    at: float


class Repository:
    """A local repository without a working copy. Nodes are 40 hex digits (str), names are bytes."""

    def __init__(self, repo: Any, path: str) -> None:
        self._repo = repo
        self.path = path

    @classmethod
    def open(cls, path: str, *, create: bool = False) -> Repository:
        """The repository at ``path``, made if ``create`` and missing; an abandoned transaction is rolled back.

        Raises DamagedError when it cannot be opened.
        """
        ui = _ui()
        create = create and not os.path.isdir(os.path.join(path, ".hg"))
        if create:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with _explained(f"The repository {path} cannot be opened."):
            umask = os.umask(0o077)
            try:
                repo = hg.repository(ui, os.fsencode(path), create=create).unfiltered()
            finally:
                os.umask(umask)
            if os.path.exists(os.path.join(path, ".hg/store/journal")):
                repo.recover()
        return cls(repo, path)

    def heads(self) -> tuple[str, ...]:
        """The nodes of every head, newest first; () when empty."""
        found = [nodes.hex(n).decode() for n in self._repo.heads()]
        return tuple(n for n in found if n != NULL)

    def has(self, node: str) -> bool:
        """Whether ``node`` is here."""
        return bool(self._repo.changelog.hasnode(nodes.bin(node)))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether ``older`` is ``newer`` or an ancestor of it; both are here."""
        log = self._repo.changelog
        return bool(log.isancestorrev(log.rev(nodes.bin(older)), log.rev(nodes.bin(newer))))

    def revisions(self) -> Iterator[str]:
        """Every node, newest first."""
        log = self._repo.changelog
        for revision in range(len(log) - 1, -1, -1):
            yield nodes.hex(log.node(revision)).decode()

    def note(self, node: str) -> Note:
        """What the revision ``node`` says of itself."""
        with _explained(f"The repository {self.path} is damaged."):
            found = self._repo[nodes.bin(node)]
            return Note(found.description().decode("utf-8", "replace"), found.user().decode(), found.date()[0])

    def names(self, node: str) -> dict[bytes, bytes]:
        """The file revision (raw id and flags) of each stored name in the revision ``node``."""
        with _explained(f"The repository {self.path} is damaged."):
            manifest = self._repo[nodes.bin(node)].manifest()
            return {name: file_node + flags for name, file_node, flags in manifest.iterentries()}

    def reader(self, node: str) -> Callable[[bytes], bytes]:
        """A function from a stored name to its bytes in ``node``, hash checked; it raises DamagedError."""
        manifest = self._manifest(node)

        def read(name: bytes) -> bytes:
            with _explained(f"The repository {self.path} is damaged."):
                return bytes(self._repo.file(name).read(manifest[name]))

        return read

    def _manifest(self, node: str) -> Any:
        with _explained(f"The repository {self.path} is damaged."):
            return self._repo[nodes.bin(node)].manifest()

    def commit(
        self, parent: str, written: Iterable[bytes], removed: Iterable[bytes], content: Content, note: Note
    ) -> str:
        """Commit on ``parent`` (NULL: the first) the names ``written`` and ``removed``.

        ``content`` is asked once for each written name, in sorted order, and what it gives is not kept in
        memory; None means that the name is gone after all. Returns the new node, or ``parent`` when nothing
        differs from it. Raises what ``content`` raises, and then nothing is committed.
        """
        made = _Commit(self._repo, parent, list(written), list(removed), content, note)
        with _explained(f"The repository {self.path} cannot be written."):
            try:
                with self._repo.lock(), self._repo.transaction(b"pacha"):
                    node = self._repo.commitctx(made)
                    if parent != NULL and self._same_manifest(node, parent):
                        raise _NothingDiffers
            except _NothingDiffers:
                self._repo.invalidateall()
                return parent
        return str(nodes.hex(node).decode())

    def _same_manifest(self, node: bytes, parent: str) -> bool:
        log = self._repo.changelog
        return bool(log.read(node)[0] == log.read(nodes.bin(parent))[0])


class Interruption(Exception):
    """What a ``Content`` raises to end a commit; passed on as it is."""


class _NothingDiffers(Exception):
    """Leaving a transaction this way rolls it back."""


class _Commit(context.memctx):  # type: ignore[misc]
    """A memctx that neither keeps the content it was given nor asks for it before it is needed.

    Mercurial's own memoizes every file, and reads each to tell modified from removed.
    """

    def __init__(
        self, repo: Any, parent: str, written: list[bytes], removed: list[bytes], content: Content, note: Note
    ) -> None:
        parents = (nodes.bin(parent), nodes.nullid)
        super().__init__(
            repo, parents, note.message.encode(), sorted(written + removed), lambda *_: None,
            user=note.user.encode(), date=(int(note.at), 0), extra={},
        )  # fmt: skip
        before = repo[parents[0]].manifest()
        self._status = scmutil.status(
            sorted(n for n in written if n in before), sorted(n for n in written if n not in before),
            sorted(n for n in removed if n in before), [], [], [], [],
        )  # fmt: skip
        self._filectxfn = self._file_maker(repo, content)

    def _file_maker(self, repo: Any, content: Content) -> Callable[..., Any]:
        def make(_repo: Any, _ctx: Any, name: bytes) -> Any:
            blob = content(name)
            if blob is None:
                return None
            return context.memfilectx(
                repo, self, name, blob.data, islink=blob.is_link, isexec=blob.is_executable
            )

        return make


def _ui() -> Any:
    """A user interface that says nothing, asks nothing and obeys our settings alone."""
    ui = uimodule.ui()
    settings = [("ui.interactive", "no"), ("ui.quiet", "yes"), ("ui.timeout", str(_LOCK_SECONDS)),
                ("ui.large-file-limit", "0"), ("phases.publish", "yes"), ("subrepos.allowed", "no"),
                ("ui.report_untrusted", "no"), *FORMAT]  # fmt: skip
    for name, value in settings:
        section, _, key = name.partition(".")
        ui.setconfig(section.encode(), key.encode(), value.encode(), b"pacha")
    ui.fout = ui.ferr = io.BytesIO()
    extensions.loadall(ui)
    extensions.populateui(ui)
    return ui


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what Mercurial raises into what a person can read.

    Damaged revlogs make it raise nearly anything (struct.error, IndexError, zlib.error, ...): whatever
    comes out of Mercurial while it reads is damage, not a bug of ours.
    """
    try:
        yield
    except (PachaError, MemoryError, Interruption):
        raise
    except error.LockHeld as held:
        raise PachaError(
            what, f"it is locked by {_text(held.locker)}", "If that process is gone, remove the lock it left."
        ) from None
    except OSError as failure:
        raise PachaError(what, failure.strerror or str(failure), "Mend that and run this again.") from None
    except Exception as failure:
        raise DamagedError(what, _reason(failure), "Nothing was changed. Look at it with 'hg verify'.") from None


def _reason(failure: BaseException) -> str:
    text = _text(failure.args[0]) if failure.args else ""
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__


def _text(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(c if c.isprintable() else " " for c in text).strip()


class Peer:
    """An open conversation with a repository elsewhere; what goes wrong in it is a PachaError."""

    def __init__(self, peer: Any, name: str) -> None:
        self._peer = peer
        self._name = name

    def heads(self) -> tuple[str, ...]:
        """Its heads, () when it is empty."""
        with _talking(f"{self._name} on the master does not answer."):
            return _real(self._peer.heads())

    def pull(self, repository: Repository, wanted: Iterable[str]) -> None:
        """Fetch ``wanted`` and what they stand on into ``repository``."""
        asked = [nodes.bin(node) for node in wanted]
        with _talking(f"The history of {self._name} cannot be fetched."):
            if asked:
                exchange.pull(repository._repo, self._peer, heads=asked, force=True)

    def push(self, repository: Repository, node: str) -> None:
        """Send ``node`` and what it stands on. Raises PachaError when the other side refuses it."""
        what = f"{self._name} cannot be sent to the master."
        with _talking(what):
            result = exchange.push(repository._repo, self._peer, revs=[nodes.bin(node)], newbranch=True)
            if result.cgresult == 0 and node not in _real(self._peer.heads()):
                raise PachaError(what, "its Mercurial took nothing", "Look at it there with 'hg verify'.")


@contextlib.contextmanager
def peer(remote: Remote, name: str) -> Iterator[Peer]:
    """Talk to the repository ``name`` at ``remote``. Raises UnreachableError, PachaError."""
    ui = _ui()
    with _talking(f"{name} on the master does not answer."):
        if isinstance(remote, str):
            made = hg.repository(ui, os.fsencode(remote)).peer()
        else:
            made = sshpeer._make_peer(
                ui, urlutil.path(ui, None, b"ssh://master/"), None, remote.stdin, remote.stdout, remote.stderr, autoreadstderr=False
            )
    yield Peer(made, name)
    with contextlib.suppress(Exception):
        made.close()  # everything asked for has been answered


@contextlib.contextmanager
def _talking(what: str) -> Iterator[None]:
    try:
        yield
    except PachaError:
        raise
    except error.Abort as failure:
        raise PachaError(what, _text(failure.message), _text(failure.hint or "")) from None
    except (error.RepoError, error.ResponseError, error.OutOfBandError) as failure:
        raise PachaError(what, _reason(failure), "Look at the repository on the master with 'hg verify'.") from None
    except (OSError, EOFError) as failure:
        raise UnreachableError(what, _reason(failure), "The next push sends what is missing.") from None


def _real(found: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(nodes.hex(n).decode() for n in found if n != nodes.nullid)


def version() -> str:
    """Mercurial's own version."""
    return _text(util.version())
