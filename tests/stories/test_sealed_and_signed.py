"""Sealing and signing together, over SSH: as docs/sealing.rst and docs/signing.rst tell an administrator to do."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.canaries import found
from tests.support.forced import Door
from tests.support.mercurial import run_hg
from tests.support.sealing import new_identity, sealers
from tests.support.signing import make_key, public
from tests.support.sshd import Sshd
from tests.support.stage import Host, Stage, copy, said
from tests.support.trees import unequal
from tests.support.two_masters import two_masters, up

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
LARGE = (16 << 20) + 4096


@pytest.mark.parametrize("forced", by_turns([False, True], 2), ids=lambda forced: "forced" if forced else "plain")
def test_a_year_of_a_host_that_seals_and_signs(stage: Stage, door: Door, tmp_path: Path, forced: bool) -> None:
    bar, top = door.host(stage) if forced else stage.host("bar"), stage.folder / "opt"
    canaries = [secrets.token_hex(16).encode() for _ in range(8)]
    (top / "private").mkdir(parents=True)
    (top / "plain").write_text("plain\n")
    for number in range(4):
        (top / "private" / f"s{number}").write_bytes(b"a\n" * number + canaries[number] + b"\n")
    with open(top / "private" / "large", "wb") as large:
        for _ in range(4):
            large.write(canaries[4] + os.urandom(LARGE // 4))
    os.setxattr(top / "private/s0", "user.note", canaries[5])
    os.link(top / "private/s1", top / "second name")
    people, key, signers = sealers(stage.folder / "people"), make_key(tmp_path / "key"), tmp_path / "signers"
    signers.write_text(f'bar namespaces="*@pacha" {public(key)}\n')
    bar.configure(seal="private/", sign_key=str(key), **people.settings)
    bar.watch(top)
    bar.push()
    bar.push()
    bar.pacha("seal", "--check", "--identity", people.offline).must()
    original = stage.folder / "as it was"
    os.rename(top, original)

    fresh = Host(stage, stage.folder / "fresh", "bar", dict(bar.settings))
    fresh.configure(signers=str(signers))
    done = fresh.rebuild(code=3)
    assert "Signed by the key" in done.out and len(done.lines) == 6, done.err
    assert fresh.push(code=3).err.count("is owed") == 6
    other = Host(stage, stage.folder / "other", "bar", dict(fresh.settings))
    other.pacha("restore-db", "bar").must()
    fresh.rebuild("--identity", people.at_hand)
    assert unequal(original, top) == []
    fresh.push()

    second = make_key(tmp_path / "second")
    with signers.open("a") as lines:
        lines.write(f'bar namespaces="*@pacha" {public(second)}\n')
    fresh.configure(sign_key=str(second))
    fresh.push()
    at = stage_log(stage)[0]
    people.recipients.write_text(f"{new_identity(people.folder / 'third')}\n{new_identity(people.folder / 'fourth')}\n")
    said(fresh.push(code=3), "names others")
    (top / "private/s3").write_bytes(canaries[6])
    fresh.push()
    late = Host(stage, stage.folder / "late", "bar", dict(fresh.settings))
    late.rebuild("--target", late.folder / "out", "--identity", people.folder / "third")
    assert unequal(top, Path(f"{late.folder}/out{top}")) == []
    late.rebuild("--target", late.folder / "old", "--at", at, "--identity", people.at_hand)
    assert unequal(original, Path(f"{late.folder}/old{top}")) == []

    root = Host(stage, stage.folder / "root", "bar")
    root.configure(hostname="master")
    root.pacha("purge", "bar", top / "private/s3", "--before", stage_log(stage)[0], "--yes").must()
    fresh.push(code=3)
    shutil.rmtree(late.folder / "out")
    late.rebuild("--target", late.folder / "out", "--identity", people.folder / "third")
    assert unequal(top, Path(f"{late.folder}/out{top}")) == []
    root.pacha("check", "bar").must()
    shutil.rmtree(late.folder / "old")
    again = ("--target", late.folder / "old", "--at", at, "--identity", people.at_hand)
    assert "s3" in late.rebuild(*again, code=3).err
    for folder in ("old", "out"):
        shutil.rmtree(late.folder / folder)
    assert (
        found(canaries, stage.hosts, *(p for h in (bar, fresh, late, other, root) for p in (h.state, h.temporary)))
        == {}
    )


def stage_log(stage: Stage) -> list[str]:
    """The snapshots of bar."""
    return run_hg("-R", str(stage.hosts / "bar" / "db"), "log", "--template", "{node}\n").split()


def test_no_question_to_a_fleet_shows_or_chokes_on_what_is_sealed(stage: Stage) -> None:
    """In the clear at first, then sealed and changed, then in the clear again; beside it a file that stays clear."""
    bar, top = stage.host("bar"), stage.folder / "opt"
    top.mkdir()
    canaries = [f"canary{secrets.token_hex(12)}" for _ in range(2)]
    root = Host(stage, stage.folder / "root", "bar")
    root.configure(hostname="master")
    people = sealers(stage.folder / "people")
    (top / "plain").write_text("plain\n")
    (top / "motd").write_text("welcome\n")
    bar.watch(top)
    bar.push()
    root.pacha("digest").must()
    bar.configure(seal="motd", **people.settings)
    for canary in canaries:
        (top / "motd").write_text(f"{canary}\n")
        os.setxattr(top / "motd", "user.note", canary.encode())
        (top / "plain").write_text(f"plain {canary[::-1]}\n")
        bar.push()
        questions = [
            "digest", "digest --json", "find motd", "find --json motd", f"drift {top}", "changes", "hosts",
            "hosts --json", f"grep {canary}", "grep --json .", f"grep --history {canary}", "log bar -p", "check bar",
            f"report --html {root.folder}/pages --drift {top}", "digest --since 2020-01-01",
        ]  # fmt: skip
        for words in questions:
            done = root.pacha("-v", *words.split())
            assert done.code in (0, 1, 3), (words, done.err)
            said_all = done.out + done.err
            assert canary not in said_all and "age-encryption" not in said_all, words
            assert "Traceback" not in said_all and "fault in Pacha" not in said_all, (words, done.err)
            assert words != "check bar" or ", 1 sealed" in said_all, said_all
            if words == "digest":
                assert str(top / "motd") in done.out and "it is sealed" in done.out
    kept = (stage.hosts, bar.state, bar.temporary, root.folder)
    assert found([canary.encode() for canary in canaries], *kept) == {}
    assert found([b"age-encryption"], root.folder) == {}


def test_two_masters_of_which_one_goes_back(stage: Stage, second: Sshd, tmp_path: Path) -> None:
    bar, top = two_masters(stage, second), stage.folder / "opt"
    top.mkdir()
    (top / "a.key").write_text("first\n")
    people, key, signers = sealers(stage.folder / "people"), make_key(tmp_path / "key"), tmp_path / "signers"
    signers.write_text(f'bar namespaces="*@pacha" {public(key)}\n')
    bar.configure(seal="*.key", sign_key=str(key), signers=str(signers), **people.settings)
    bar.watch(top)
    bar.push()
    whole = copy(stage.hosts, stage.folder / "before")
    (top / "a.key").write_text("second\n")
    bar.push()
    shutil.rmtree(stage.hosts)
    copy(whole, stage.hosts)
    fresh = Host(stage, stage.folder / "fresh", "bar", dict(bar.settings))
    up(fresh, second)
    (top / "a.key").unlink()
    fresh.rebuild("--from", "m2", "--identity", people.offline)
    assert (top / "a.key").read_text() == "second\n"
    said(fresh.pacha("rebuild", "bar", "--from", "m1", "--yes").must(13), "older snapshot")
    fresh.push()
    late = Host(stage, stage.folder / "late", "bar", dict(bar.settings))
    up(late, second)
    for master in ("m1", "m2"):
        late.rebuild("--from", master, "--target", late.folder / master, "--identity", people.at_hand)
        assert Path(f"{late.folder / master}{top}/a.key").read_text() == "second\n"
