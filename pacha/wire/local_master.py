"""A master that is a folder on this machine: no server, no network."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from pacha.errors import PachaError, UnreachableError
from pacha.files.dirfd import CREATE, DIRECTORY
from pacha.system.syscalls import sync_file, sync_file_system
from pacha.text import escape
from pacha.wire import hook_files, local_store, scp
from pacha.wire.claimed_folder import claimed
from pacha.wire.master import (
    CHANGELOG,
    CHANGELOG_OF_ANY,
    HEARTBEAT,
    HG,
    PURGED,
    PURGED_MAX,
    PUSH,
    REBUILD,
    STORE,
    CannotStream,
    Examined,
    NoRepository,
    Probe,
    TemporaryRepository,
    digest_of,
    temporary_name,
)
from pacha.wire.tar_upload import format_of


class LocalMaster:
    """A master that is the folder ``hosts_path``. ``create`` makes a repository at a path."""

    def __init__(self, hosts_path: bytes, create: Callable[[str], object]) -> None:
        self.hosts_path = hosts_path
        self._create = create

    @property
    def label(self) -> str:
        """The folder."""
        return escape(self.hosts_path)

    def local_path(self, name: str) -> str | None:
        """None: a push may change the repository meanwhile."""
        return None

    def probe(self, host: str, names: Sequence[str] = ()) -> Probe:
        """Read clock and changelogs. Raises UnreachableError: an unreadable folder does not count as missing."""
        try:
            contents = {name: digest_of(self._path(host, name, CHANGELOG_OF_ANY)) for name in names}
            changelog, purged = (digest_of(self._path(host, name)) for name in (CHANGELOG, PURGED))
            return Probe(time.time(), changelog, contents=contents, purged=purged)
        except OSError as error:
            raise UnreachableError(
                f"The folder {self.label} cannot be read.",
                error.strerror or "",
                "Look at pacha.hosts.path.",
                code="hosts-path-unreadable",
            ) from None

    def make_host(self, host: str) -> None:
        """Make the folder, 0700."""
        try:
            os.makedirs(self._path(host), mode=0o700, exist_ok=True)
        except OSError as error:
            raise PachaError(
                f"{escape(self._path(host))} cannot be made.",
                error.strerror or "",
                "Look at pacha.hosts.path.",
                code="host-folder-not-made",
            ) from None

    def create(self, host: str, name: str) -> None:
        """Make a repository, in this process."""
        self._create(os.fsdecode(self._path(host, name)))

    @contextmanager
    def new(self, host: str, name: str) -> Iterator[TemporaryRepository]:
        """A temporary repository that is filled with a copy of our store. What a killed push left of it is removed."""
        path, temporary = self._path(host, name), temporary_name(name)
        if os.path.lexists(path):
            raise CannotStream
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(_opened(self._path(host)))
                is_ours = stack.enter_context(claimed(temporary, folder))
            except OSError:  # or a file system without locks
                is_ours = False
            if not is_ours:
                raise CannotStream
            new = self._path(host, temporary, name)
            self._create(os.fsdecode(new))
            stack.callback((repository := TemporaryRepository(partial(_fill, new))).end)
            yield repository
            if repository.filled:
                _place(new, path)

    @contextmanager
    def serve(self, host: str, name: str) -> Iterator[str]:
        """The path of the repository. Raises DamagedError if it leads elsewhere."""
        path = self._path(host, name)
        local_store.check_own(path)
        if not os.path.isdir(os.path.join(path, os.fsencode(HG))):
            raise NoRepository(
                f"There is no repository {escape(path)}.",
                "",
                "Look at pacha.hosts.path.",
                code="local-repository-missing",
            )
        yield os.fsdecode(path)

    def nests(self, host: str) -> bool:
        """False: each is opened by itself."""
        return False

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """Copy the store's files."""
        began, path = time.monotonic(), self._path(host, name, STORE)
        with local_store.descend(self.hosts_path, host, f"{name}/{STORE}") as store:
            owner = os.stat(self._path(host), follow_symlinks=False).st_uid
            copy = local_store.StoreCopy(path=path, inbox=inbox, owners=frozenset([owner, 0, os.geteuid()]))
            for received in copy.run(store):
                on_file(received)
        return scp.Totals(copy.files, copy.size, time.monotonic() - began)

    def fetch_hooks(self, host: str, inbox: int) -> list[hook_files.Hook]:
        """Copy the hooks, with their owners."""
        hooks = []
        for path, mode, owner in hook_files.entries(self.hosts_path, host, frozenset([0, os.geteuid()])):
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(path), 0o700, dir_fd=inbox)
            source = os.path.join(hook_files.folder_of(self.hosts_path, host), path)
            fd = local_store.open_plain(source, source)
            with open(fd, "rb") as whence, open(os.open(path, CREATE, 0o600, dir_fd=inbox), "wb") as where:
                shutil.copyfileobj(whence, where, 1 << 20)
            hooks.append(hook_files.hook_of(path, mode, owner))
        return hooks

    def draft_heartbeat(self, host: str, line: bytes) -> None:
        """Do nothing: ``leave_heartbeat`` is fast enough."""

    def leave_heartbeat(
        self, host: str, line: bytes, *, durable: bool, look: Sequence[str] | None = None
    ) -> Probe | None:
        """Sync the file system, then write a temporary file and rename it."""
        path = self._path(host, HEARTBEAT)
        if durable:
            with _opened(self._path(host)) as folder:
                sync_file_system(folder)
        with open(os.open(path + b".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(line)
            stream.flush()
            sync_file(stream.fileno())
        os.replace(path + b".new", path)
        return None if look is None else self.probe(host, look)

    def last_push(self, host: str) -> bytes | None:
        """Read it; an unreadable one does not count as missing."""
        try:
            with local_store.descend(self.hosts_path, host, "") as folder:
                return local_store.read_heartbeat(folder)
        except (OSError, ValueError) as error:
            raise local_store.unreadable_heartbeat(error) from None

    def purged(self, host: str) -> bytes | None:
        """Read it."""
        try:
            with local_store.descend(self.hosts_path, host, "") as folder:
                return local_store.read_purged(folder)
        except OSError as error:
            raise local_store.unreadable_record(error) from None

    def examine(self, host: str) -> Examined:
        """Examine the folder, or the nearest existing one above it."""
        place = self._path(host)
        while not os.path.lexists(place):
            place = os.path.dirname(place)
        trouble = "" if os.access(place, os.W_OK | os.X_OK) else f"{escape(place)} cannot be written to"
        free = shutil.disk_usage(place).free
        return Examined(clock=time.time(), may=frozenset([PUSH, REBUILD]), trouble=trouble, free=free)

    def close(self) -> None:
        """Nothing to close."""

    def _path(self, host: str, *below: str) -> bytes:
        return os.path.join(self.hosts_path, os.fsencode(host), *map(os.fsencode, below))


class StateFolderMaster(LocalMaster):
    """A state folder's own repositories in the role of a master. They are read in place."""

    def __init__(self, repositories: bytes) -> None:
        super().__init__(repositories, lambda path: None)

    def local_path(self, name: str) -> str:
        """The path of the repository ``name``, which our lock protects."""
        return os.fsdecode(self._path(name))

    def purged(self, host: str) -> bytes | None:
        """The state folder's own record, which lies beside the repositories (``store.state``)."""
        try:
            with open(os.path.join(os.path.dirname(self.hosts_path), b"purged"), "rb") as stream:
                return stream.read(PURGED_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise local_store.unreadable_record(error) from None


def _fill(temporary: bytes, repository: str, names: Iterable[bytes]) -> None:
    """Replace the store of ``temporary`` by a copy of the files ``names`` of our ``repository``'s.

    Raises what ``names`` raise, and CannotStream where the formats differ, or a file cannot be copied.
    """
    if format_of(repository) != format_of(os.fsdecode(temporary)):
        raise CannotStream
    whence, where = (os.path.join(top, os.fsencode(STORE)) for top in (os.fsencode(repository), temporary))
    try:
        shutil.rmtree(where)
        os.mkdir(where, 0o700)
        with _opened(whence) as store, _opened(where) as inbox:
            copy = local_store.StoreCopy(path=whence, inbox=inbox, owners=frozenset([os.geteuid()]))
            for name in names:
                copy.add(store, name)
    except (OSError, PachaError):
        raise CannotStream from None


def _place(temporary: bytes, path: bytes) -> None:
    """Give the repository ``temporary`` its name, which another push may have used meanwhile."""
    try:
        os.rename(temporary, path)
    except OSError as error:
        message = f"The repository {escape(path)} cannot be made."
        hint = "Another push has made it meanwhile: push again."
        raise PachaError(message, error.strerror or "", hint, code="push-overtaken") from None


@contextmanager
def _opened(folder: bytes) -> Iterator[int]:
    fd = os.open(folder, DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)
