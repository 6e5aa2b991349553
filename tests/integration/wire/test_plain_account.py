"""What is written with nothing but sshd and Mercurial: a host's folder, a repository, the heartbeat."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.store import hg
from pacha.store.growth import Abandoned
from pacha.store.hg import Blob, Note, make_repository
from pacha.store.revision import INIT_OPTIONS
from pacha.wire.master import STORE, CannotStream, NoRepository, store_files, temporary_name
from pacha.wire.plain_account import PlainAccount
from pacha.wire.ssh import Connection, resolve
from tests.support.sshd import Account, Sshd, account

MACHINE = "0123456789abcdef"
NOTE = Note("m", "u", 1.0)


@pytest.fixture(scope="module")
def user(sshd: Sshd) -> Iterator[Account]:
    with account(f"pacha-plain-{os.getpid()}") as made:
        sshd.authorize(made.name)
        yield made


@pytest.fixture
def plain(sshd: Sshd, user: Account, request: pytest.FixtureRequest) -> Iterator[PlainAccount]:
    """The account, whose folder of hosts is new and named after the test."""
    hosts = user.home / request.node.name[:60]
    endpoint = resolve(
        sshd.address, user=user.name, port=sshd.port, key=str(sshd.key), known_hosts=str(sshd.known_hosts),
        ssh_config=None,
    )  # fmt: skip
    with Connection.open(endpoint) as connection:
        made = PlainAccount(connection, bytes(hosts), ["hg"], INIT_OPTIONS, lambda: MACHINE)
        assert connection.run(["mkdir", str(hosts)]).status == 0
        made.make_host("bar")
        yield made


def folder(plain: PlainAccount) -> Path:
    return Path(plain._path("bar").decode())


def test_a_folder_is_its_accounts_alone_and_made_once(plain: PlainAccount, user: Account) -> None:
    status = folder(plain).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, user.uid)
    (folder(plain) / "file").touch()
    plain.make_host("bar")
    assert (folder(plain) / "file").exists()


def test_a_folder_that_cannot_be_made_is_told(plain: PlainAccount) -> None:
    folder(plain).parent.chmod(0o500)
    with pytest.raises(PachaError) as caught:
        plain.make_host("foo")
    assert "Permission denied" in caught.value.why


def test_a_repository_has_its_name_once_it_is_whole(plain: PlainAccount) -> None:
    plain.create("bar", "foo")
    plain.create("bar", "foo")
    assert [path.name for path in folder(plain).iterdir()] == ["foo"]
    with plain.serve("bar", "foo") as stream, hg.open_peer(stream, "foo") as peer:
        assert list(peer.heads()) in ([], [hg.NULL])
    with pytest.raises(NoRepository), plain.serve("bar", "none") as stream, hg.open_peer(stream, "none") as peer:
        peer.heads()


def test_an_interrupted_upload_leaves_one_temporary_name(plain: PlainAccount) -> None:
    temporary = temporary_name("foo", MACHINE[:8])
    with plain.new("bar", "foo") as repository:
        assert not repository.filled
    assert [path.name for path in folder(plain).iterdir()] == [temporary]
    with pytest.raises(CannotStream), plain.new("bar", "foo"):
        pass


def test_files_arrive_while_others_are_still_made(plain: PlainAccount, tmp_path: Path) -> None:
    node = make_repository(str(tmp_path / "foo"), [b"a", b"b"], lambda name: Blob(os.urandom(500_000)), NOTE)
    there = folder(plain) / temporary_name("foo", MACHINE[:8]) / STORE

    def names() -> Iterator[bytes]:
        every = list(store_files(str(tmp_path / "foo")))
        for name in every[:-1]:
            time.sleep(0.1)  # it takes long to make
            yield name
        until = time.monotonic() + 20
        while not (there / "data/a.d").exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert (there / "data/a.d").exists() and not (folder(plain) / "foo").exists()
        yield b"00changelog.i"

    with plain.new("bar", "foo") as repository:
        repository.fill(str(tmp_path / "foo"), names())
    with plain.serve("bar", "foo") as stream, hg.open_peer(stream, "foo") as peer:
        assert peer.heads() == (node,)


def test_a_history_that_will_not_be_whole_gets_no_name(plain: PlainAccount, tmp_path: Path) -> None:
    make_repository(str(tmp_path / "foo"), [b"a"], lambda name: Blob(b"1"), NOTE)

    def names() -> Iterator[bytes]:
        yield b"data/a.i"
        raise Abandoned

    with pytest.raises(Abandoned), plain.new("bar", "foo") as repository:
        repository.fill(str(tmp_path / "foo"), names())
    assert [path.name for path in folder(plain).iterdir()] == [temporary_name("foo", MACHINE[:8])]


@pytest.mark.parametrize("drafted", [True, False])
def test_the_heartbeat_is_replaced_at_once(plain: PlainAccount, drafted: bool) -> None:
    for line in (b"first\n", b"second\n"):
        if drafted:
            plain.draft_heartbeat("bar", line)
        assert plain.leave_heartbeat("bar", line, durable=True) is None
        assert (folder(plain) / "last-push").read_bytes() == line
    assert [path.name for path in folder(plain).iterdir()] == ["last-push"]
