"""A conversation with a repository elsewhere: ask for heads, pull, push."""

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
from pacha.store.hg.repository import Repository
from pacha.store.hg.runtime import LIBRARY, OF_THE_DISK, frequent_gc, quiet_ui, readable, reason, refuse_unknown


class Pipes(Protocol):
    """Where ``hg serve --stdio`` answers: what ``wire.ssh`` calls a stream."""

    @property
    def stdin(self) -> Any: ...
    @property
    def stdout(self) -> Any: ...
    @property
    def stderr(self) -> Any: ...


_FRAME = 64 << 10  #: bytes
#: What Mercurial says when it is to take a bundle of whatever heads, before it has seen any of it: a turn of the line
#: is not worth hearing it first (mercurial/wireprotov1server.py, unbundle; heads are checked in the bundle).
_GO_AHEAD = b"0\n"
#: A repository elsewhere: the path (str) of one on this machine, or the pipes to one served.
Remote = str | Pipes


class Peer:
    """An open conversation with a repository elsewhere; what goes wrong in it is a PachaError."""

    def __init__(self, peer: Any, name: str, *, local: bool, new: bool = False) -> None:
        self._peer = peer
        self._name = name
        self._local = local
        self._new = new
        #: Its heads when the conversation began: they are always asked for first (see ``wire.plain_account``).
        self._first: list[bytes] | None = None if local else peer.heads()
        self._asked = local

    def heads(self) -> tuple[str, ...]:
        """Its heads, () when it is empty."""
        with _talking(f"{self._name} on the master does not answer.", self._local):
            if self._asked or self._first is None:
                self._first = self._peer.heads()
            self._asked = True
            return _real(self._first)

    def pull(self, repository: Repository, wanted: Iterable[str]) -> None:
        """Fetch ``wanted`` and what they stand on into ``repository``."""
        asked = [nodes.bin(node) for node in wanted]
        with _talking(f"The history of {self._name} cannot be fetched.", self._local), frequent_gc():
            if asked:
                exchange.pull(repository._repo, self._peer, heads=asked, force=True)

    def push(self, repository: Repository, node: str, *, beside: bool = False) -> None:
        """Send ``node`` and what it stands on; ``beside`` other heads, where it does not stand on all of them.

        Raises PachaError when the other side refuses it.
        """
        what, wanted = f"{self._name} cannot be sent to the master.", nodes.bin(node)
        with _talking(what, self._local), frequent_gc():
            first, self._first = self._first, None
            if self._new and first and not _real(first) and _streamed(repository._repo, self._peer, wanted):
                return
            if first and not beside and _sent_on(repository._repo, self._peer, first, wanted):
                return
            result = exchange.push(repository._repo, self._peer, force=beside, revs=[wanted], newbranch=True)
            if result.cgresult == 0 and not self._peer.known([wanted])[0]:
                raise PachaError(
                    what, "its Mercurial took nothing", "Look at it there with 'hg verify'.", code="push-refused"
                )

    def known(self, wanted: Iterable[str]) -> tuple[bool, ...]:
        """Whether it has each of the ``wanted`` nodes."""
        with _talking(f"{self._name} on the master does not answer.", self._local):
            return tuple(map(bool, self._peer.known([nodes.bin(node) for node in wanted])))


def _streamed(repo: Any, remote: Any, wanted: bytes) -> bool:
    """Send all of ``repo``, whose only head is ``wanted``, into an empty repository as the files that it is made of.

    Neither side takes a revision apart. That takes a remote of the same format, and which knows such streams (hg help
    internals.bundle2, "stream"; since Mercurial 4.5); False where that is not so, and nothing was sent.
    """
    log, theirs = repo.changelog, bundle2.bundle2caps(remote)
    formats = frozenset((remote.capable(b"streamreqs") or b"").split(b","))
    if b"v2" not in theirs.get(b"stream", ()) or formats != streamclone.streamed_requirements(repo):
        return False
    if log.headrevs() != [log.rev(wanted)] or not remote.capable(b"unbundle"):
        return False
    bundler = _bundle(repo, theirs)
    bundle2.addpartbundlestream2(bundler, repo, stream=True)
    _unbundled(repo, remote, bundler)
    return bool(remote.known([wanted])[0])


def _bundle(repo: Any, theirs: Any) -> Any:
    """An empty bundle for those who can ``theirs``; they answer with one."""
    bundler = bundle2.bundle20(repo.ui, theirs)
    bundler.newpart(b"replycaps", data=bundle2.encodecaps(bundle_caps.get_repo_caps(repo, role=b"client")))
    return bundler


def _sent_on(repo: Any, remote: Any, heads: list[bytes], wanted: bytes) -> bool:
    """Send ``wanted``, which stands on all of the ``heads`` over there, in one bundle and without more questions.

    Returns False when nothing was sent: it stands on something else, or there are other heads now. The bundle is
    what ``exchange.push`` makes (mercurial/exchange.py, _pushbundle2): the other side checks the heads again under
    its lock. Which phase a revision is in is not told: what arrives at a publishing repository is public.
    """
    log = repo.changelog
    if not all(log.hasnode(head) and log.isancestorrev(log.rev(head), log.rev(wanted)) for head in heads):
        return False
    outgoing = discovery.outgoing(repo, heads, [wanted])
    if not outgoing.missing:
        return True
    theirs = bundle2.bundle2caps(remote)
    versions = changegroup.supportedoutgoingversions(repo) & set(theirs.get(b"changegroup", ()))
    if not versions or not remote.capable(b"unbundle"):
        return False
    bundler = _bundle(repo, theirs)
    bundler.newpart(b"check:heads", data=iter(heads))
    content = changegroup.makestream(repo, outgoing, max(versions), b"push", bundlecaps=theirs)
    bundler.newpart(b"changegroup", data=content).addparam(b"version", max(versions))
    return _unbundled(repo, remote, bundler)


class _Answers:
    """What the other side answers, for one who does not wait for each of the answers."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._granted = self._due = b""

    def take_for_granted(self, line: bytes) -> None:
        """Let the next line be ``line`` at once; it has to come before anything else that is read (EOFError)."""
        self._granted = line

    def readline(self, *size: int) -> bytes:
        """A line."""
        if self._granted:
            self._due, self._granted = self._granted, b""
            return self._due
        self._hear()
        return bytes(self._pipe.readline(*size))

    def read(self, *size: int) -> bytes:
        """What is asked for, or less at the end."""
        self._hear()
        return bytes(self._pipe.read(*size))

    def _hear(self) -> None:
        due, self._due = self._due, b""
        if due and self._pipe.readline(len(due)) != due:
            raise EOFError("it did not want it")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)


class _Frames:
    """A bundle for sshpeer, which sends what one read gives it in one frame: more than the 4 KiB that it asks for."""

    def __init__(self, bundler: Any) -> None:
        self._chunks = bundler.getchunks()

    def read(self, size: int) -> bytes:
        """Some 64 KiB, whatever the ``size``; nothing at the end."""
        pieces, much = [], 0
        for chunk in self._chunks:
            pieces.append(chunk)
            much += len(chunk)
            if much >= _FRAME:
                break
        return b"".join(pieces)


def _unbundled(repo: Any, remote: Any, bundler: Any) -> bool:
    """Whether the other side took the bundle; False when others were quicker. Raises error.Abort and its like."""
    stream = util.chunkbuffer(bundler.getchunks()) if remote.local() else _Frames(bundler)
    request = {b"bundle": stream, b"heads": [b"force"], b"url": remote.url()}
    if not remote.local():
        require(LIBRARY, remote, "_pipei").take_for_granted(_GO_AHEAD)
    try:
        with remote.commandexecutor() as executor:
            reply = executor.callcommand(b"unbundle", request).result()
        said = bundle2.processbundle(repo, reply, remote=remote)
    except bundle2.AbortFromPart:
        raise error.Abort(b"the other side refused it") from None
    except error.ResponseError as failure:
        if failure.args[:1] == (b"push failed:",):  # what the part error:pushraced becomes
            return False
        raise
    return any(one[b"return"] for one in said.records[b"changegroup"])


@contextlib.contextmanager
def open_peer(remote: Remote, name: str, *, new: bool = False) -> Iterator[Peer]:
    """Talk to the repository ``name`` at ``remote``. Raises UnreachableError, PachaError.

    One that is ``new`` has no name there yet: whatever comes to be in it half-way is of no consequence.
    """
    ui, local = quiet_ui(), isinstance(remote, str)
    with _talking(f"{name} on the master does not answer.", local):
        if isinstance(remote, str):
            made = hg.repository(ui, os.fsencode(remote)).peer()
        else:
            where = urlutil.path(ui, None, b"ssh://master/")
            pipes = (remote.stdin, _Answers(remote.stdout), remote.stderr)
            make = require(
                LIBRARY, sshpeer, "_make_peer", "ui", "path", "proc", "stdin", "stdout", "stderr", "autoreadstderr"
            )
            made = make(ui, where, None, *pipes, autoreadstderr=False)
        talking = Peer(made, name, local=local, new=new)
    yield talking
    with contextlib.suppress(Exception):
        made.close()  # everything asked for has been answered


@contextlib.contextmanager
def _talking(what: str, local: bool) -> Iterator[None]:
    try:
        yield
    except PachaError:
        raise
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
            raise PachaError(what, why, "Fix that and run this again.", code="disk-refused") from None
        if local:  # there is no line that could be lost
            hint = "Look at the repository on the master."
            raise PachaError(what, reason(failure), hint, code="local-master-failed") from None
        hint = "The next push sends what is missing."
        raise UnreachableError(what, reason(failure), hint, code="conversation-ended") from None
    except MemoryError:
        raise
    except Exception as failure:  # what a hostile or broken answer makes Mercurial raise
        refuse_unknown(failure)
        hint = "Look at the repository on the master with 'hg verify'."
        raise DamagedError(what, reason(failure), hint, code="answer-damaged") from None


def _real(found: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(nodes.hex(n).decode() for n in found if n != nodes.nullid)
