"""A connection to another repository: ask for its heads, pull, push."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from mercurial import bundle2, changegroup, discovery, error, exchange, hg, sshpeer, streamclone, util
from mercurial import node as nodes
from mercurial.bundle2 import bundle_caps
from mercurial.utils import urlutil

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.library import require
from pacha.store.hg.bounds import LIBRARY, TooLargeError, bound_conversation, checked
from pacha.store.hg.incoming import check_incoming
from pacha.store.hg.repository import Repository
from pacha.store.hg.runtime import OF_THE_DISK, cure_of, frequent_gc, quiet_ui, readable, reason, refuse_unknown
from pacha.store.revision import MOST


class Pipes(Protocol):
    """The pipes to ``hg serve --stdio``; a stream of ``wire.ssh`` is one."""

    @property
    def stdin(self) -> Any: ...
    @property
    def stdout(self) -> Any: ...
    @property
    def stderr(self) -> Any: ...


_FRAME = 64 << 10  #: bytes
_MOST = 1 << 30  #: bytes of a revision, where the size of the history is unknown
#: Mercurial's reply to ``unbundle`` with forced heads, sent before it reads the bundle. Waiting for it would cost a
#: round trip (mercurial/wireprotov1server.py, unbundle; the bundle itself checks the heads).
_GO_AHEAD = b"0\n"
#: Another repository: its path (str) on this machine, or the pipes to a server of it.
Remote = str | Pipes


class Peer:
    """An open connection to another repository; its failures are PachaErrors."""

    def __init__(self, peer: Any, name: str, *, local: bool, new: bool = False) -> None:
        self._peer = peer
        self._name = name
        self._local = local
        self._new = new
        #: Its heads at the start: they are always the first request (see ``wire.plain_account``).
        self._first: list[bytes] | None = None if local else peer.heads()
        self._asked = local

    def heads(self) -> tuple[str, ...]:
        """Its heads; () where it is empty."""
        with _talking(f"{self._name} on the master does not answer.", self._local):
            if self._asked or self._first is None:
                self._first = self._peer.heads()
            self._asked = True
            return _real(self._first)

    def pull(self, repository: Repository, wanted: Iterable[str], most: int = _MOST) -> None:
        """Fetch the nodes ``wanted`` and their ancestors, no revision above ``most`` bytes, into ``repository``."""
        heads, message = [nodes.bin(node) for node in wanted], f"The history of {self._name} cannot be fetched."
        incoming = check_incoming(accepts_purged=repository.accepts_purged)
        with _talking(message, self._local), frequent_gc(), bound_conversation(most), incoming:
            if heads:
                exchange.pull(repository._repo, self._peer, heads=heads, force=True)

    def push(self, repository: Repository, node: str, *, beside: bool = False, whole: bool = False) -> None:
        """Send ``node`` and its ancestors; with ``beside``, even if it does not descend from all heads there.

        ``whole`` sends no deltas: they need the same content on both sides, and one may have purged some. Raises
        PachaError where the other side refuses it.
        """
        message, wanted = f"{self._name} cannot be sent to the master.", nodes.bin(node)
        repository._repo.ui.setconfig(b"devel", b"bundle.delta", b"full" if whole else b"", b"pacha")
        with _talking(message, self._local), frequent_gc():
            first, self._first = self._first, None
            if self._new and first and not _real(first) and _streamed(repository._repo, self._peer, wanted):
                return
            if first and not beside and _sent_on(repository._repo, self._peer, first, wanted):
                return
            result = exchange.push(repository._repo, self._peer, force=beside, revs=[wanted], newbranch=True)
            if result.cgresult == 0 and not self._peer.known([wanted])[0]:
                raise PachaError(
                    message, "its Mercurial accepted nothing", "Look at it there with 'hg verify'.", code="push-refused"
                )

    def known(self, wanted: Iterable[str]) -> tuple[bool, ...]:
        """Whether it has each of the ``wanted`` nodes."""
        with _talking(f"{self._name} on the master does not answer.", self._local):
            return tuple(map(bool, self._peer.known([nodes.bin(node) for node in wanted])))


def _streamed(repo: Any, remote: Any, wanted: bytes) -> bool:
    """Send the files of ``repo``, whose only head is ``wanted``, into an empty repository, without unpacking revisions.

    The remote must have the same format and support streams (hg help internals.bundle2, "stream"; since Mercurial
    4.5). Returns False where it does not, and then nothing was sent.
    """
    log, capabilities = repo.changelog, bundle2.bundle2caps(remote)
    formats = frozenset((remote.capable(b"streamreqs") or b"").split(b","))
    if b"v2" not in capabilities.get(b"stream", ()) or formats != streamclone.streamed_requirements(repo):
        return False
    if log.headrevs() != [log.rev(wanted)] or not remote.capable(b"unbundle"):
        return False
    bundler = _bundle(repo, capabilities)
    bundle2.addpartbundlestream2(bundler, repo, stream=True)
    _unbundled(repo, remote, bundler)
    return bool(remote.known([wanted])[0])


def _bundle(repo: Any, capabilities: Any) -> Any:
    """An empty bundle for a remote with these ``capabilities``; it asks for a bundle as the reply."""
    bundler = bundle2.bundle20(repo.ui, capabilities)
    bundler.newpart(b"replycaps", data=bundle2.encodecaps(bundle_caps.get_repo_caps(repo, role=b"client")))
    return bundler


def _sent_on(repo: Any, remote: Any, heads: list[bytes], wanted: bytes) -> bool:
    """Send ``wanted``, a descendant of all ``heads`` of the remote, in one bundle and without further requests.

    Returns False, and sends nothing, where it is not a descendant of them, or the remote has other heads now. The
    bundle is that of ``exchange.push`` (mercurial/exchange.py, _pushbundle2): the remote checks the heads again under
    its lock. Phases are not sent: a publishing repository makes every revision public.
    """
    log = repo.changelog
    if not all(log.hasnode(head) and log.isancestorrev(log.rev(head), log.rev(wanted)) for head in heads):
        return False
    outgoing = discovery.outgoing(repo, heads, [wanted])
    if not outgoing.missing:
        return True
    capabilities = bundle2.bundle2caps(remote)
    versions = changegroup.supportedoutgoingversions(repo) & set(capabilities.get(b"changegroup", ()))
    if not versions or not remote.capable(b"unbundle"):
        return False
    bundler = _bundle(repo, capabilities)
    bundler.newpart(b"check:heads", data=iter(heads))
    content = changegroup.makestream(repo, outgoing, max(versions), b"push", bundlecaps=capabilities)
    bundler.newpart(b"changegroup", data=content).addparam(b"version", max(versions))
    return _unbundled(repo, remote, bundler)


class _Replies:
    """The replies of the remote; an expected reply is returned before it arrives."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._expected = self._due = b""

    def expect(self, line: bytes) -> None:
        """Return ``line`` for the next ``readline`` at once; the read after that checks it (EOFError)."""
        self._expected = line

    def readline(self, *size: int) -> bytes:
        """Read a line."""
        if self._expected:
            self._due, self._expected = self._expected, b""
            return self._due
        self._check_due()
        return bytes(self._pipe.readline(*size))

    def read(self, *size: int) -> bytes:
        """Read as many bytes as asked for; fewer at the end."""
        self._check_due()
        return bytes(self._pipe.read(*(checked(much, MOST) for much in size)))

    def _check_due(self) -> None:
        due, self._due = self._due, b""
        if due and self._pipe.readline(len(due)) != due:
            raise EOFError("it refused the bundle")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)


class _Frames:
    """A bundle for sshpeer, which sends the result of one read as one frame: larger than the 4 KiB that it asks for."""

    def __init__(self, bundler: Any) -> None:
        self._chunks = bundler.getchunks()

    def read(self, size: int) -> bytes:
        """Return about 64 KiB, whatever the ``size``; b"" at the end."""
        pieces, total = [], 0
        for chunk in self._chunks:
            pieces.append(chunk)
            total += len(chunk)
            if total >= _FRAME:
                break
        return b"".join(pieces)


def _unbundled(repo: Any, remote: Any, bundler: Any) -> bool:
    """Whether the remote took the bundle; False where another push came first. Raises error.Abort."""
    stream = util.chunkbuffer(bundler.getchunks()) if remote.local() else _Frames(bundler)
    request = {b"bundle": stream, b"heads": [b"force"], b"url": remote.url()}
    if not remote.local():
        require(LIBRARY, remote, "_pipei").expect(_GO_AHEAD)
    try:
        with remote.commandexecutor() as executor:
            reply = executor.callcommand(b"unbundle", request).result()
        operation = bundle2.processbundle(repo, reply, remote=remote)
    except error.ResponseError as failure:
        if failure.args[:1] == (b"push failed:",):  # from the part error:pushraced
            return False
        raise
    return any(record[b"return"] for record in operation.records[b"changegroup"])


@contextlib.contextmanager
def open_peer(remote: Remote, name: str, *, new: bool = False) -> Iterator[Peer]:
    """Connect to the repository ``name`` at ``remote``. Raises UnreachableError, PachaError.

    A ``new`` one still has its temporary name there, so an interrupted push to it does no harm.
    """
    ui, local = quiet_ui(), isinstance(remote, str)
    with _talking(f"{name} on the master does not answer.", local):
        if isinstance(remote, str):
            peer = hg.repository(ui, os.fsencode(remote)).peer()
        else:
            url = urlutil.path(ui, None, b"ssh://master/")
            pipes = (remote.stdin, _Replies(remote.stdout), remote.stderr)
            make = require(
                LIBRARY, sshpeer, "_make_peer", "ui", "path", "proc", "stdin", "stdout", "stderr", "autoreadstderr"
            )
            peer = make(ui, url, None, *pipes, autoreadstderr=False)
        connection = Peer(peer, name, local=local, new=new)
    yield connection
    with contextlib.suppress(Exception):
        peer.close()  # every request has been answered


@contextlib.contextmanager
def _talking(what: str, local: bool) -> Iterator[None]:
    try:
        yield
    except PachaError:
        raise
    except TooLargeError as failure:
        why, hint = readable(failure.message), "Look at the host's folder on the master: who added that?"
        raise DamagedError(what, why, hint, subject=why, code="revision-too-large") from None
    except error.Abort as failure:
        raise PachaError(
            what, readable(failure.message), readable(failure.hint or ""), code="mercurial-aborted"
        ) from None
    except (error.RepoError, error.ResponseError, error.OutOfBandError) as failure:
        hint = "Look at the repository on the master with 'hg verify'."
        raise PachaError(what, reason(failure), hint, code="repository-unusable") from None
    except (OSError, EOFError) as failure:
        if isinstance(failure, OSError) and failure.errno in OF_THE_DISK:
            why = f"this machine's disk: {(failure.strerror or reason(failure)).lower()}"
            raise PachaError(what, why, cure_of(failure), code="disk-refused") from None
        if local:  # there is no connection that could break
            hint = "Look at the repository on the master."
            raise PachaError(what, reason(failure), hint, code="local-master-failed") from None
        hint = "The next push sends what is missing."
        raise UnreachableError(what, reason(failure), hint, code="conversation-ended") from None
    except MemoryError:
        raise
    except Exception as failure:  # Mercurial raises anything over a hostile or damaged reply
        refuse_unknown(failure)
        hint = "Look at the repository on the master with 'hg verify'."
        raise DamagedError(what, reason(failure), hint, code="answer-damaged") from None


def _real(heads: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(node.hex() for node in heads if node != nodes.nullid)
