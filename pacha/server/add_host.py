"""add-host: make a host's folder on the master, and let its key in."""

from __future__ import annotations

import errno
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pacha.errors import PachaError, UsageError
from pacha.files.dirfd import DIRECTORY
from pacha.host.context import check_host
from pacha.server import authorized_keys, command_filter, retired
from pacha.text import escape
from pacha.wire.remote_errors import give


@dataclass(frozen=True, slots=True)
class Allowed:
    """The options that limit a key; ``expires`` is a time as a person writes it."""

    rebuild_only: bool = False
    push_only: bool = False
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class AddedHost:
    """An added host: its folder, the account that owns it ('': none was given).

    ``line`` lets its key in ('' without a key). ``installed`` tells what was done with the line in authorized_keys
    ('added', 'replaced', 'there'; '': not requested); ``runs``: that account can run Pacha.
    """

    path: bytes
    account: str
    line: str = ""
    installed: str = ""
    runs: bool = True


def add_host(
    hosts_path: bytes,
    host: str,
    user: str | None,
    key: bytes | None = None,
    install: str | None = None,
    allowed: Allowed = Allowed(),
    *,
    replace: bool = False,
) -> AddedHost:
    """Make the folder of ``host`` below ``hosts_path``, 0700, owned by ``user`` if given, and let its ``key`` in.

    ``key`` is the content of a public key's file; ``install`` is the account whose authorized_keys gets the line, and
    which then owns the folder. An existing folder changes its owner only if it is empty. With ``replace`` the key may
    have been another host's until now. Raises UsageError (before anything is made), PachaError (no new folder stays).
    """
    check_host(host)
    retired.check_not_retired(hosts_path, host)
    owner = owner_of(user, install)
    if key is None and (install is not None or allowed != Allowed()):
        raise UsageError("There is no key to let in.", "", "Name its public half: --key FILE", code="no-key-given")
    grant = grant_of(hosts_path, host, allowed)
    public = authorized_keys.PublicKey.read(key) if key is not None else None
    line = grant.line(public) if public is not None else ""
    with folder_for(hosts_path, host, owner) as path:
        installed = ""
        if install and owner and public:
            installed = authorized_keys.install(owner, grant, public, replace=replace)
    runs = not installed or owner is None or authorized_keys.can_run(owner)
    return AddedHost(path, owner.pw_name if owner else "", line, installed, runs=runs)


def owner_of(user: str | None, install: str | None) -> pwd.struct_passwd | None:
    """The account that --user or --install names, None for neither. Raises UsageError, also where it cannot log in."""
    if None not in (user, install) and user != install:
        raise UsageError(
            "--user and --install name two accounts.",
            "the key would not reach the folder",
            "Give one of them.",
            code="two-accounts",
        )
    name = user if user is not None else install
    owner = account_of(name) if name is not None else None
    if install is not None and owner is not None:
        _check_shell(owner)
    return owner


def grant_of(hosts_path: bytes, host: str, allowed: Allowed) -> authorized_keys.KeyGrant:
    """What the key of ``host`` may do. Raises UsageError."""
    command_filter.rights(rebuild_only=allowed.rebuild_only, push_only=allowed.push_only)  # raises for none
    expires = authorized_keys.moment(allowed.expires, time.time()) if allowed.expires is not None else None
    return authorized_keys.KeyGrant(host, hosts_path, allowed.rebuild_only, allowed.push_only, expires)


@contextmanager
def folder_for(hosts_path: bytes, host: str, owner: pwd.struct_passwd | None) -> Iterator[bytes]:
    """Make the folder of ``host`` for the body; one that this process made goes again if either fails."""
    path = os.path.join(hosts_path, os.fsencode(host))
    with _explained(path):
        _make_open(hosts_path)
        is_ours = _make(path, 0o700)
    try:
        with _explained(path):
            _settle(path, owner)
        yield path
    except BaseException:
        if is_ours:
            with suppress(OSError):
                os.rmdir(path)
        raise


@contextmanager
def _explained(path: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_closed = error.errno in (errno.EACCES, errno.EPERM)
        hint = "Run this as root on the master." if is_closed else "See to that, then run this again: it goes on."
        raise PachaError(
            f"{escape(path)} cannot be made.", error.strerror or "", hint, code="folder-not-made"
        ) from None


def _make_open(path: bytes) -> None:
    """Make ``path`` and its missing parents, 0755 whatever the umask, for the accounts of all hosts."""
    if not os.path.isdir(path):
        _make_open(os.path.dirname(path))
        if _make(path, 0o755):
            os.chmod(path, 0o755)  # noqa: S103 (what is in it is 0700)


def _make(path: bytes, mode: int) -> bool:
    """Make a folder, and say so; another process may make it in the same moment."""
    try:
        os.mkdir(path, mode)
        return True
    except FileExistsError:
        return False


def account_of(user: str) -> pwd.struct_passwd:
    """The account of this name. Raises UsageError."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise UsageError(
            f"There is no account '{escape(user)}' on this machine.",
            hint=f"Make it first: useradd --create-home {escape(user)}",
            code="no-such-account",
        ) from None


def _check_shell(owner: pwd.struct_passwd) -> None:
    """Raise UsageError for an account without a shell: sshd(8) runs forced commands with it, too."""
    if os.path.basename(owner.pw_shell) in ("nologin", "false"):
        name = escape(owner.pw_name)
        why = f"its shell is {escape(owner.pw_shell)}, and sshd runs every command with it"
        raise UsageError(
            f"{name} cannot log in.",
            why,
            f"Give it one: usermod --shell /bin/sh {name}",
            code="account-cannot-log-in",
        )


def _settle(path: bytes, owner: pwd.struct_passwd | None) -> None:
    """Set mode and owner through a descriptor, so that nobody can replace the folder by a link meanwhile."""
    fd = os.open(path, DIRECTORY)
    try:
        status = os.fstat(fd)
        if owner is not None and status.st_uid != owner.pw_uid:
            if os.listdir(fd):
                raise PachaError(
                    f"{escape(path)} is in use by another account.",
                    f"it belongs to user {status.st_uid} and is not empty",
                    f"If it is meant to change hands: {give(owner.pw_name, path)}",
                    code="folder-of-another-account",
                )
            os.fchown(fd, owner.pw_uid, owner.pw_gid)
        if status.st_mode & 0o777 != 0o700:
            os.fchmod(fd, 0o700)
    finally:
        os.close(fd)
