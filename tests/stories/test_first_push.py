"""A first push sends the finished store as one stream, into a repository that has no name before it is whole."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacha.push.upload import InitialUpload
from pacha.store import hg
from pacha.wire import control, tar_upload
from pacha.wire.master import TemporaryRepository, store_files
from tests.support.cutter import Cutter
from tests.support.forced import Door
from tests.support.stage import Host, Stage, changed, picture, said, small_disk


@pytest.fixture(params=["plain", "forced"])
def fresh(request: pytest.FixtureRequest, stage: Stage, door: Door) -> Host:
    """A host that watches 600 KB and has never pushed."""
    host = door.host(stage) if request.param == "forced" else stage.host("bar")
    foo = stage.folder / "opt" / "foo"
    (foo / "below").mkdir(parents=True)
    for number in range(30):
        (foo / "below" / f"File {number}").write_bytes(os.urandom(20_000))
    host.watch(foo)
    return host


def history(repository: Path) -> dict[str, bytes]:
    """The files of a repository's history."""
    store = repository / ".hg" / "store"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*.[id]")}


def beside(host: Host) -> list[str]:
    """What there is in the host's folder that has no name yet."""
    return [name for name in os.listdir(host.repository("")) if name.startswith(".new")]


def check_whole(host: Host) -> None:
    """The master has everything, and gives it back."""
    host.verify_master()
    foo = host.stage.folder / "opt" / "foo"
    out = host.stage.folder / "out"
    host.rebuild("--target", out)
    assert changed(picture(foo), picture(out / foo.relative_to("/"))) == []


def test_the_master_gets_the_files_themselves(fresh: Host) -> None:
    fresh.push()
    for name in ("foo", "db"):
        assert history(fresh.repository(name)) == history(fresh.state / "repos" / name)
    assert beside(fresh) == []
    check_whole(fresh)


@pytest.mark.parametrize("limit", [120_000])
def test_a_first_push_that_is_cut_off_leaves_nothing_by_a_name(fresh: Host, limit: int) -> None:
    server = fresh.stage.server
    with Cutter((server.address, server.port), limit, stall_it=False) as relay:
        server.trust(f"[127.0.0.1]:{relay.port}")
        fresh.configure(ssh_port=str(relay.port))
        fresh.push(code=11)
    fresh.configure(ssh_port=str(server.port))
    assert [name for name in fresh.on_master() if fresh.on_master()[name] == ""] == []
    fresh.push()
    assert "nothing changed" in fresh.push().out
    check_whole(fresh)


def test_a_disk_that_fills_up_meanwhile(fresh: Host, stage: Stage) -> None:
    uid, place = pwd.getpwnam(stage.account.name).pw_uid, fresh.repository("")
    with small_disk(place, "400k", [f"uid={uid}"]) as disk:
        plain = fresh.settings.get("pacha.ssh.key") is None
        said(fresh.push(code=1), "No space left", f"remove {place}/.new-*" if plain else "Make room")
        assert bool([path for path in disk.rglob("*") if path.stat().st_size > 10_000]) is plain, "it keeps the room"
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        fresh.push()
        check_whole(fresh)


def test_a_disk_here_that_fills_up_meanwhile(fresh: Host) -> None:
    """What was sent by then gets no name, and the next push sends all of it."""
    with small_disk(fresh.state / "repos", "400k") as disk:
        said(fresh.push(code=1), "cannot be written", "No space left")
        assert [name for name in fresh.on_master() if not name.startswith(".new")] == []
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        fresh.push()
        check_whole(fresh)


@pytest.fixture
def plain(stage: Stage) -> Host:
    """A host that watches two folders, and has never pushed to a plain account."""
    host = stage.host("bar")
    for name in ("foo", "more"):
        folder = stage.folder / "opt" / name
        folder.mkdir(parents=True)
        (folder / "one").write_text("one\n")
        host.watch(folder)
    return host


def names(host: Host) -> list[str]:
    """What is below the host's folder by a name."""
    return sorted(set(os.listdir(host.repository(""))) - set(beside(host)))


WHOLE = ["db", "foo", "last-push", "more"]


def test_a_master_that_makes_repositories_of_another_format(plain: Host) -> None:
    command = plain.stage.folder / "hg"
    init = 'for to; do :; done; exec hg init --config format.use-share-safe=no "$to"'
    command.write_text(f'#!/bin/sh\ncase $1 in init) {init}; esac\nexec hg "$@"\n')
    command.chmod(0o755)
    plain.configure(hg_command=str(command))
    plain.push()
    assert names(plain) == WHOLE and not (plain.repository("foo") / ".hg/store/requires").exists()
    assert len(beside(plain)) == 1, "that by which it was found out"
    check_whole(plain)


@contextmanager
def tar_there(host: Host, does: str) -> Iterator[None]:
    """The master's tar is a script that ``does`` something else."""
    account, shell = host.stage.account.name, host.stage.folder / "sh"
    shell.write_text(f'#!/bin/sh\ncase "$2" in *tar*) {does}; esac\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    subprocess.run(["usermod", "-s", shell, account], check=True)
    try:
        yield
    finally:
        subprocess.run(["usermod", "-s", "/bin/sh", account], check=True)


@pytest.mark.parametrize("does", ["echo 'tar: not found' >&2; exit 127", "head -c 2000 >/dev/null; exit 2"])
def test_a_master_without_a_tar_for_it(plain: Host, does: str) -> None:
    with tar_there(plain, does):
        plain.push()
        assert names(plain) == WHOLE
        check_whole(plain)


def test_a_master_whose_tar_only_says_that_it_did_it(plain: Host) -> None:
    with tar_there(plain, "cat >/dev/null; exit 0"):
        said(plain.push(code=13), "did not arrive on the master as it is here", "hg verify")


@pytest.mark.parametrize("does", ["exit 2", "head -c 2000 /dev/zero; exit 1"])
def test_a_machine_whose_tar_is_another(plain: Host, does: str) -> None:
    tar = plain.stage.folder / "bin" / "tar"
    tar.parent.mkdir()
    tar.write_text(f"#!/bin/sh\n{does}\n")
    tar.chmod(0o755)
    plain.pacha("push", PATH=f"{tar.parent}:{os.environ['PATH']}").must()
    assert names(plain) == WHOLE
    check_whole(plain)


def test_no_option_of_somebody_elses_leaves_anything_out(plain: Host) -> None:
    """What TAR_OPTIONS says of the user's own archives is not for the history."""
    cache = plain.stage.folder / "opt" / "foo" / "cache"
    cache.mkdir()
    (cache / "precious").write_text("precious\n")
    plain.pacha("push", TAR_OPTIONS="--exclude=cache --exclude=*.d").must()
    check_whole(plain)


def test_a_machine_without_tar_leaves_nothing_there(plain: Host) -> None:
    tools = plain.stage.folder / "bin"
    tools.mkdir()
    plain.pacha("push", PATH=str(tools)).must()
    assert names(plain) == WHOLE and beside(plain) == []
    check_whole(plain)


def test_a_history_with_another_head_is_not_sent_as_files(tmp_path: Path) -> None:
    """What another master has beside is none of this one's."""
    repository = hg.Repository.open(str(tmp_path / "foo"), create=True)
    filled: list[str] = []
    for text in (b"1", b"2"):
        node = repository.commit(hg.NULL, [b"a"], [], lambda _name, text=text: hg.Blob(text), hg.Note("", "", 1.0))
        unnamed = InitialUpload(TemporaryRepository(lambda path, names: filled.append(path)))
        unnamed.push(repository, node)
        assert unnamed.arrived() is (text == b"1")
    assert filled == [repository.path]


def test_tar_waits_for_the_end_of_its_input(tmp_path: Path) -> None:
    """OpenSSH hangs up on who ends the input of a command that has ended: paramiko may do so a moment too late."""
    repository, there = hg.Repository.open(str(tmp_path / "foo"), create=True), tmp_path / "there"
    there.mkdir()
    with subprocess.Popen(tar_upload.unpacking(os.fsencode(there)), stdin=subprocess.PIPE) as tar:
        assert tar.stdin is not None
        for piece in tar_upload.pack(repository.path, store_files(repository.path)):
            tar.stdin.write(piece)
        tar.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            tar.wait(0.5)
    assert tar.returncode == 0 and (there / ".hg" / "requires").exists()


def test_what_is_sent_as_files_is_the_history_alone(plain: Host) -> None:
    plain.push()
    for name in ("foo", "more", "db"):
        found = {path.name for path in (plain.repository(name) / ".hg").iterdir()}
        assert found <= {"requires", "00changelog.i", "store", "cache", "wcache"}, "no lock, nothing that is ours alone"
        assert not (plain.repository(name) / ".hg/store/phaseroots").exists()


def test_a_new_path_of_an_old_host_is_sent_so(fresh: Host) -> None:
    fresh.push()
    more = fresh.stage.folder / "opt" / "more"
    more.mkdir()
    (more / "one").write_text("one\n")
    fresh.watch(more)
    fresh.push()
    assert history(fresh.repository("more")) == history(fresh.state / "repos" / "more")
    fresh.verify_master()


def test_a_new_path_that_gets_no_name_is_none_that_db_names(fresh: Host) -> None:
    fresh.push()
    before = fresh.on_master()["db"]
    more = fresh.stage.folder / "opt" / "more"
    more.mkdir()
    (more / "one").write_text("one\n")
    fresh.watch(more)
    fresh.repository("more").mkdir()
    (fresh.repository("more") / "in the way").touch()
    assert fresh.pacha("push").code in (1, 13)  # Pacha on the master says itself that its folder does not add up
    assert fresh.on_master()["db"] == before


def test_db_gets_no_name_where_another_got_none(stage: Stage, door: Door) -> None:
    """Pacha on the master gives a repository its name when nothing more comes, be that for the fault of another."""
    fails = "from pacha.server.host_directory import HostDirectory\nfrom pacha.errors import PachaError\n"
    fails += "place = HostDirectory.place\ndef no_foo(self, temporary, name):\n"
    fails += "    if name == 'foo':\n        raise PachaError('No foo.', code='no-foo')\n"
    fails += "    place(self, temporary, name)\nHostDirectory.place = no_foo\n"
    host = door.host(stage, program=door.program("pacha-without-foo", fails))
    foo = stage.folder / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "one").write_text("one\n")
    host.watch(foo)
    said(host.push(code=1), "No foo.")
    assert host.on_master() == {}


def arrives(host: Host) -> None:
    """A first push of one folder."""
    foo = host.stage.folder / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "one").write_text("one\n")
    host.watch(foo)
    host.push()
    check_whole(host)


def test_a_master_whose_mercurial_has_no_c_parts(stage: Stage, door: Door) -> None:
    """It is pushed to. (Its history is then made by Mercurial itself.)"""
    lacks = "import sys\nimport pacha.store.hg\nsys.modules['pacha.store.hg.first_commit'] = None\n"
    host = door.host(stage, program=door.program("pacha-pure", lacks))
    arrives(host)


def test_a_master_whose_pacha_knows_nothing_of_it(stage: Stage, door: Door) -> None:
    older = door.other(1, [what for what in control.CAPABILITIES if what not in (control.NEW, control.FILL)])
    host = door.host(stage, program=older)
    arrives(host)
