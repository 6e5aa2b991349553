"""What a client says to ``pacha serve --control``: conversations, one within the other, and attempts to do more."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.store import hg
from pacha.store.hg import Blob, Note, Repository
from pacha.wire import control, file_stream
from pacha.wire.control import Control
from pacha.wire.conversation import pieces
from pacha.wire.master import store_files
from tests.support.hg_server import PACHA, bundle, history

NAMES = [b"one", b"Two words", b"dir.i/three", b"x" * 150, b"large"]


class Pipes:
    """``pacha serve`` as the stream of a connection."""

    complaints = b""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.stdin, self.stdout, self._pipe = self, process.stdout, process.stdin

    def write(self, data: bytes) -> int:
        self._pipe.write(data)
        self._pipe.flush()
        return len(data)

    def close_write(self) -> None:
        self._pipe.close()

    def close(self) -> None:
        self._pipe.close()


@contextmanager
def talking(hosts: Path, *rights: str) -> Iterator[Control]:
    """The control channel of a key with these rights."""
    command = [PACHA, "serve", "bar", "--hosts-path", hosts, *rights, "--control"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        channel = Control(pipes := Pipes(process))  # type: ignore[arg-type]
        assert channel.greeting() is not None
        yield channel
        pipes.close()
        pipes.stdout.read()
    assert process.returncode == 0


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    (tmp_path / "hosts" / "bar").mkdir(parents=True, mode=0o700)
    return tmp_path / "hosts"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a repository with one revision."""
    path = str(tmp_path_factory.mktemp("mine") / "etc")
    content = {name: name for name in NAMES} | {b"large": os.urandom(300_000)}
    hg.make_repository(path, NAMES, lambda name: Blob(content[name]), Note("a", "b", 1.0))
    return path


@pytest.fixture
def mine(files: str, tmp_path: Path) -> Repository:
    """A copy of it, to which revisions may be added."""
    shutil.copytree(files, tmp_path / "mine")
    return Repository.open(str(tmp_path / "mine"))


def filled(channel: Control, path: str, stream: bytes = b"", **fields: Any) -> None:
    """Fill the repository ``etc`` (or another) with the files of the one at ``path``, or with another stream."""
    asked = {"name": "etc", "requires": file_stream.requirements_of(path), **fields}
    with channel.transfer(control.FILL, **asked) as talk:
        for piece in [stream] if stream else file_stream.pack(path, store_files(path)):
            talk.write(piece)


def more(repository: Repository, name: bytes) -> str:
    """Another revision, and its node."""
    return repository.commit(repository.heads()[0], [name], [], lambda name: Blob(name), Note("more", "b", 2.0))


def test_a_new_repository_is_the_same_and_whole(hosts: Path, files: str) -> None:
    with talking(hosts) as channel:
        filled(channel, files)
    made = hosts / "bar" / "etc"
    assert os.listdir(hosts / "bar") == ["etc"] and history(made) == history(Path(files))
    assert (made / ".hg/requires").read_bytes() == Path(files, ".hg/requires").read_bytes()
    assert (made / ".hg/store/requires").read_bytes() == Path(files, ".hg/store/requires").read_bytes()
    assert not (made / ".hg/store/phaseroots").exists(), "somebody may have to push on it"
    subprocess.run(["hg", "-R", made, "verify", "-q"], check=True)
    assert {path.stat().st_mode & 0o077 for path in made.rglob("*")} == {0}


def test_what_is_there_is_not_filled(hosts: Path, files: str) -> None:
    with talking(hosts) as channel:
        filled(channel, files)
        before = history(hosts / "bar" / "etc")
        for fields in ({}, {"name": "foo", "requires": ["revlogv2"]}):
            with pytest.raises(PachaError) as caught:
                filled(channel, files, **fields)
            assert caught.value.code == control.CANNOT_FILL
        assert channel.ask("probe")["contents"].keys() == {"etc"}
    assert history(hosts / "bar" / "etc") == before and os.listdir(hosts / "bar") == ["etc"]


def listed(text: bytes) -> bytes:
    return b"%d fncache\n%b\n" % (len(text), text)


TWO = b"1 00changelog.i\nx1 data/a.i\nx"


def test_what_is_no_history_gets_no_name(hosts: Path, files: str) -> None:
    streams = [
        b"\n", b"1 ../x.i\nx\n", b"1 hgrc\nx\n", b"9 00changelog.i\nhalf", TWO + b"\n", TWO,
        TWO + listed(b"data/a.i\ndata/b.i\n"), TWO + listed(b"data/b.i\n"), TWO + listed(b"data/a.i\ndata/a.i\n"),
        TWO + listed(b"data/a.i"), b"1 data/a.i\nx" + listed(b"data/a.i\n"),
    ]  # fmt: skip
    with talking(hosts) as channel:
        for stream in streams:
            with pytest.raises(DamagedError):
                filled(channel, files, stream)
            assert os.listdir(hosts / "bar") == [], stream
        filled(channel, files)


def test_a_line_that_breaks_leaves_nothing(hosts: Path, files: str) -> None:
    """At the end of each file, where the stream looks whole, and in the middle of one."""
    stream = b"".join(file_stream.pack(files, store_files(files)))
    ask = control.encode({"do": "fill", "number": 1, "name": "etc", "requires": file_stream.requirements_of(files)})
    for cut in (0, len(stream) // 2, len(stream) - 1, len(stream)):
        said = ask + pieces(1, stream[:cut])[: None if cut else 0]
        command = [PACHA, "serve", "bar", "--hosts-path", hosts, "--control"]
        done = subprocess.run(command, input=said, capture_output=True)
        assert b"Traceback" not in done.stderr
        assert os.listdir(hosts / "bar") == (["etc"] if cut == len(stream) else [])


def test_each_key_does_what_it_may(hosts: Path, mine: Repository) -> None:
    with talking(hosts, "--rebuild-only") as channel, pytest.raises(UnreachableError, match="Permission denied"):
        filled(channel, mine.path)
    with talking(hosts, "--push-only") as channel:
        filled(channel, mine.path)
        with pytest.raises(UnreachableError, match="Permission denied"), channel.transfer(control.FETCH, name="etc"):
            pass
        with channel.conversation(control.SERVE, name="etc") as talk, hg.open_peer(talk, "etc") as peer:
            assert peer.heads() == mine.heads()
            assert not peer._peer.capable(b"getbundle")
    with talking(hosts, "--rebuild-only") as channel:
        with channel.conversation(control.SERVE, name="etc") as talk, hg.open_peer(talk, "etc") as peer:
            with pytest.raises(PachaError):
                peer.push(mine, more(mine, b"more"))


def test_no_other_name_is_taken(hosts: Path) -> None:
    names = ["../foo", ".hg", "", ".new-etc-00000000", "last-push", "a/b", "x" * 300, 7, None, ["etc"]]
    with talking(hosts) as channel:
        for name in names:
            for request in (control.SERVE, control.FILL, control.FETCH):
                with pytest.raises(UnreachableError), channel.transfer(request, name=name, requires=[]):
                    pass
    assert os.listdir(hosts / "bar") == []


def test_one_process_takes_the_pushes_of_all_repositories(hosts: Path, mine: Repository) -> None:
    """One within the other, with a question between; and each conversation is as restricted as the first one."""
    with talking(hosts) as channel:
        filled(channel, mine.path)
        filled(channel, mine.path, name="db")
        first, second = more(mine, b"four"), more(mine, b"five")
        with channel.conversation(control.SERVE, name="db") as outer, hg.open_peer(outer, "db") as db:
            with channel.conversation(control.SERVE, name="etc") as inner, hg.open_peer(inner, "etc") as etc:
                etc.push(mine, first)
                channel.ask("probe")
                etc.push(mine, second)
            db.push(mine, second)
            assert db.heads() == (second,)
        for name in ("etc", "db", "etc"):
            with channel.conversation(control.SERVE, name=name) as talk, hg.open_peer(talk, name) as peer:
                assert peer.heads() == (second,)
                with pytest.raises(PachaError), hg.peer._talking("", local=False):
                    hg.peer._unbundled(mine._repo, peer._peer, _Bundle((b"pushkey", b"", {b"namespace": b"bookmarks"})))
    for name in ("etc", "db"):
        assert Repository.open(str(hosts / "bar" / name)).heads() == (second,)


class _Bundle:
    """A bundle as ``_unbundled`` takes one."""

    def __init__(self, *parts: tuple[bytes, bytes, dict[bytes, bytes]]) -> None:
        self._made = bundle(*parts)

    def getchunks(self) -> Iterator[bytes]:
        return iter([self._made.read()])


def test_a_piece_for_an_earlier_conversation_ends_the_later(hosts: Path, mine: Repository) -> None:
    with talking(hosts) as channel:
        filled(channel, mine.path)
        filled(channel, mine.path, name="db")
        with channel.conversation(control.SERVE, name="db") as outer, hg.open_peer(outer, "db") as db:
            with channel.conversation(control.SERVE, name="etc") as inner:
                inner.ask(b"hello\n")
                assert db.known([mine.heads()[0]]) == (True,)
                channel.ask("probe")
                assert inner.answer == {"number": inner._number}


def test_no_more_than_some_conversations_at_once(hosts: Path, files: str) -> None:
    many = b"".join(control.encode({"do": "serve", "number": number, "name": "etc"}) for number in range(1, 30))
    with talking(hosts) as channel:
        filled(channel, files)
    done = subprocess.run([PACHA, "serve", "bar", "--hosts-path", hosts, "--control"], input=many, capture_output=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()[1:]]
    assert done.returncode == 0 and sum("error" in answer for answer in answers) == 29 - 8


def test_what_makes_no_sense_is_answered_and_passed_over(hosts: Path) -> None:
    said = [
        b'{"do": "serve", "number": [], "name": "etc"}\n', b'{"do": "serve", "number": -1, "name": "etc"}\n',
        b'{"of": 1, "bytes": 99999999}\n', b'{"of": "x", "bytes": 1}\n', b"\xff\n", b"[1]\n",
        b'{"do": "fill", "number": 1, "name": "etc", "requires": {}}\n',
        b'{"do": "fill", "name": "etc", "requires": []}\n',
    ]  # fmt: skip
    passed_over = pieces(9, b"of nobody")
    command = [PACHA, "serve", "bar", "--hosts-path", hosts, "--control"]
    asked = b'{"do": "probe"}\n'.join([*said, passed_over, b""])
    done = subprocess.run(command, input=asked, capture_output=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()[1:]]
    assert done.returncode == 0 and not done.stderr
    assert ["clock" in answer for answer in answers] == [False, True] * len(said) + [True]


def test_a_damaged_repository_explains_itself(hosts: Path, files: str) -> None:
    with talking(hosts) as channel:
        filled(channel, files)
        (hosts / "bar/etc/.hg/store/00changelog.i").write_bytes(b"rubbish" * 20)
        with pytest.raises(DamagedError), channel.conversation(control.SERVE, name="etc") as talk:
            with hg.open_peer(talk, "etc"):
                pass
        (hosts / "bar/etc/.hg/store/data/link.i").symlink_to("/etc/passwd")
        with pytest.raises(DamagedError), channel.transfer(control.FETCH, name="etc") as talk:
            pass
        assert "clock" in channel.ask("probe"), "the channel goes on"


def test_a_store_comes_as_scp_would_bring_it(hosts: Path, files: str) -> None:
    with talking(hosts) as channel:
        filled(channel, files)
        came = io.BytesIO()
        with channel.transfer(control.FETCH, name="etc") as talk:
            while piece := talk.receive(1 << 20):
                came.write(piece)
    assert came.getvalue().startswith(b"D0700 0 store\n") and came.getvalue().endswith(b"E\n")
    assert len(came.getvalue()) > sum(map(len, history(Path(files)).values()))
