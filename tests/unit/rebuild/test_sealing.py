"""With an identity everything comes back; without one what is sealed is named, owed, and settled later."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.files import keyed
from pacha.host import owed
from pacha.host.context import Context
from pacha.push.push import push
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.rebuild import propose, rebuild
from pacha.rebuild.result import Rebuilt
from pacha.rebuild.text_diff import text_diff
from pacha.sealing import age, keys, recipients
from pacha.sealing.age import SealIdentities
from pacha.sealing.keys import SealKey
from pacha.store import database, hg, untrusted_db
from tests.support.sealing import Sealers, new_identity, sealers
from tests.support.signing import make_key, public
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.fixture(name="people")
def sealed_and_gone(bar: Standalone) -> Sealers:
    """The folder is gone; the master has it, with two sealed files and one in the clear."""
    people = sealers(bar.top / "people")
    (bar.tree / "a.key").write_bytes(b"secret a\n")
    (bar.tree / "b.key").write_bytes(b"secret b\n")
    os.setxattr(bar.tree / "a.key", "user.note", b"note")
    push(machine(bar, people, "state"))
    shutil.rmtree(bar.tree)
    return people


def machine(bar: Standalone, people: Sealers, state: str = "fresh", **more: str) -> Context:
    return bar.context(state, seal="*.key", **people.settings, **more)


def identity(path: Path) -> SealIdentities:
    return age.identities(path.read_bytes(), "", str)


def rebuilt(context: Context, *paths: Path, **options: object) -> Rebuilt:
    opening = SealIdentities(tuple(text for path in paths for text in identity(path).texts))
    return rebuild(context, "bar", replace(RebuildOptions(identities=opening), **options))  # type: ignore[arg-type]


def names(done: Rebuilt) -> list[str]:
    return sorted(os.path.basename(os.fsdecode(concern.path)) for concern in done.concerns)


@pytest.mark.slow
def test_with_it_everything_and_without_it_all_else(bar: Standalone, people: Sealers) -> None:
    fresh = machine(bar, people)
    done = rebuilt(fresh)
    assert names(done) == ["a.key", "b.key"] and all("no identity was given" in c.reason for c in done.concerns)
    assert os.listdir(bar.tree) == ["one"] and len(owed.paths(fresh.state)) == 2
    kept = push(fresh)
    assert len(kept.concerns) == 2 and database.read(fresh.state.database).entries.keys() >= owed.paths(fresh.state)
    assert names(rebuilt(fresh, people.offline)) == []
    assert (bar.tree / "a.key").read_bytes() == b"secret a\n"
    assert os.getxattr(bar.tree / "a.key", "user.note") == b"note"
    assert owed.paths(fresh.state) == frozenset()
    after = push(fresh)
    assert after.concerns == () and not after.committed


def test_an_old_file_stays_where_nothing_opens_it(bar: Standalone, people: Sealers) -> None:
    bar.tree.mkdir()
    (bar.tree / "a.key").write_bytes(b"older")
    new_identity(people.folder / "stranger")
    done = rebuilt(machine(bar, people), people.folder / "stranger")
    assert names(done) == ["a.key", "b.key"] and all("no identity that was given" in c.reason for c in done.concerns)
    assert (bar.tree / "a.key").read_bytes() == b"older"


def test_what_is_opened_is_not_shown(bar: Standalone, people: Sealers) -> None:
    bar.tree.mkdir()
    (bar.tree / "a.key").write_bytes(b"older")
    fresh = machine(bar, people)
    proposed = propose(fresh, "bar", RebuildOptions(identities=identity(people.at_hand)))
    step = next(step for step in proposed.preview.plan.steps if step.path.endswith(b"a.key"))
    assert list(text_diff(proposed, step)) == ["sealed content (changed)"]


def test_the_key_of_digests_comes_back_with_it(bar: Standalone, people: Sealers) -> None:
    fresh = machine(bar, people)
    before = database.read(machine(bar, people, "state").state.database).entries
    rebuilt(fresh, people.at_hand)
    assert database.read(fresh.state.database).entries == before
    done = push(fresh)
    assert done.concerns == () and not any((done.changes.content, done.changes.metadata))


def test_clear_content_under_a_sealed_path_is_named(bar: Standalone, people: Sealers) -> None:
    """As a forged row would have it, or a snapshot of before there were seals."""
    rebuilt(machine(bar, people), people.at_hand)
    push(bar.context("fresh", seal="no"), accept=True)
    proposed = propose(machine(bar, people, "third"), "bar", RebuildOptions(identities=identity(people.at_hand)))
    reasons = " ".join(concern.reason for concern in proposed.concerns)
    assert reasons.count("pacha.seal says so here") == 2 and "nothing is sealed in the snapshot" in reasons
    proposed = propose(bar.context("state"), "bar", RebuildOptions())
    assert [c.reason.count("this machine sealed it") for c in proposed.concerns if "not sealed" in c.reason] == [1, 1]


def test_the_hosts_own_patterns_are_sealed_with_the_key(
    bar: Standalone, people: Sealers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One seal of two is taken off, and this machine has neither a configuration nor a history of its own."""
    real = untrusted_db.read
    path = os.fsencode(bar.tree / "a.key")

    def uncovered(name: str, *arguments: object, **more: bool) -> object:
        found = real(name, *arguments, **more)  # type: ignore[arg-type]
        entry = found.entries[path]
        plain = entry._replace(sealed=None, sha256=hashlib.sha256(stored(bar)).digest(), size=len(stored(bar)))
        return replace(found, entries={**found.entries, path: plain})

    monkeypatch.setattr(untrusted_db, "read", uncovered)
    fresh = bar.context("fresh")
    proposed = propose(fresh, "bar", RebuildOptions(identities=identity(people.at_hand)))
    assert [c.path for c in proposed.concerns if "the host seals it" in c.reason] == [path]


def stored(bar: Standalone) -> bytes:
    """What the master has of a sealed file."""
    repository = hg.Repository.open(str(bar.master / "foo"))
    return repository.reader(repository.heads()[0])(b"a.key")


@pytest.mark.slow
def test_a_recipients_file_of_this_machine_stays(bar: Standalone, people: Sealers) -> None:
    rebuilt(machine(bar, people), people.at_hand)
    own = bar.tree / "recipients"
    shutil.copy(people.recipients, own)
    here = bar.context("fresh", seal="*.key", seal_to=str(own))
    push(here)
    mine = own.read_text()
    own.write_text(new_identity(people.folder / "new") + "\n")
    done = rebuilt(here, people.at_hand)
    assert names(done) == ["recipients"] and own.read_text() != mine
    own.unlink()
    done = rebuilt(here, people.at_hand)
    assert "read it before the next push" in done.concerns[0].reason and own.read_text() == mine


def test_content_of_another_path_is_damage(bar: Standalone, people: Sealers, monkeypatch: pytest.MonkeyPatch) -> None:
    real = untrusted_db.read

    def exchanged(path: str, *arguments: object, **more: bool) -> object:
        found = real(path, *arguments, **more)  # type: ignore[arg-type]
        a, b = (found.entries[os.fsencode(bar.tree / name)] for name in ("a.key", "b.key"))
        entries = {**found.entries, a.path: a._replace(stored=b.stored, sealed=b.sealed, sha256=b.sha256)}
        return replace(found, entries=entries)

    monkeypatch.setattr(untrusted_db, "read", exchanged)
    with pytest.raises(DamagedError) as caught:
        rebuilt(machine(bar, people), people.at_hand)
    assert caught.value.code == "content-damaged" and not bar.tree.exists()


def with_key_of_the_master(bar: Standalone, people: Sealers) -> SealKey:
    """A master that knows the recipients puts a key of its own before the host's, which stays; returns that key."""
    repository = hg.Repository.open(str(bar.master / "db"))
    tip = next(repository.revisions())
    read = repository.reader(tip)
    own = keys.make(recipients.read(str(people.recipients)))
    text = keys.encode([own, *keys.decode(read(b"seal-keys"))])
    image = bar.top / "forged.db"
    image.write_bytes(read(b"pacha.db"))
    with closing(sqlite3.connect(image)) as connection, connection:
        digest = hashlib.sha256(text).hexdigest()
        connection.execute("UPDATE meta SET value = ? WHERE key = 'seal-keys_sha256'", (digest,))
    files = {b"pacha.db": image.read_bytes(), b"seal-keys": text}
    repository.commit(tip, files, (), lambda name: hg.Blob(files[name]), repository.note(tip))
    return own


def test_nothing_new_is_sealed_with_a_key_of_the_master(bar: Standalone, people: Sealers) -> None:
    forged = with_key_of_the_master(bar, people)
    fresh = machine(bar, people)
    rebuilt(fresh, people.at_hand)
    before = database.read(fresh.state.database).entries
    (bar.tree / "a.key").write_bytes(b"another secret\n")
    (bar.tree / "new.key").write_bytes(b"a guessable one\n")
    push(fresh)
    after = database.read(fresh.state.database).entries
    ids = {os.path.basename(path): keyed.key_id(entry.sealed) for path, entry in after.items() if entry.sealed}
    assert forged.id not in ids.values() and ids[b"a.key"] == ids[b"new.key"]
    untouched = os.fsencode(bar.tree / "b.key")
    assert after[untouched] == before[untouched], "what is as it was stays under the key of then"
    assert not push(fresh).committed
    done = rebuilt(machine(bar, people, "third"), people.offline)
    assert done.concerns == ()


def test_a_signed_key_is_gone_on_with(bar: Standalone, people: Sealers) -> None:
    key = make_key(bar.top / "signing")
    (bar.top / "signers").write_text(f"bar {public(key)}\n")
    rebuilt(machine(bar, people), people.at_hand)
    (bar.tree / "new.key").write_bytes(b"new\n")
    signing = machine(bar, people, sign_key=str(key), signers=str(bar.top / "signers"))
    push(signing)
    rebuilt(other := machine(bar, people, "third", signers=str(bar.top / "signers")), people.at_hand)
    newest = database.read(other.state.database).entries[os.fsencode(bar.tree / "new.key")].sealed
    known = keys.read(other.state.path)
    assert [key.is_adopted for key in known.values()] == [False, False] and next(iter(known)) == keyed.key_id(newest)


def test_other_patterns_are_recorded_although_nothing_new_is_sealed(bar: Standalone, people: Sealers) -> None:
    fresh = machine(bar, people)
    rebuilt(fresh, people.at_hand)
    other = bar.context("fresh", seal="*.key *.more", **people.settings)
    assert push(other).committed and not push(other).committed
    proposed = propose(bar.context("third"), "bar", RebuildOptions(identities=identity(people.at_hand)))
    assert proposed.concerns == ()
    tip = hg.Repository.open(str(bar.master / "db"))
    found = keys.decode(tip.reader(next(tip.revisions()))(b"seal-keys"))
    opened = [keys.open_key(key, identity(people.at_hand)).patterns for key in found]
    assert opened == [("*.key", "*.more"), ("*.key",)]


def test_a_key_of_the_master_does_not_silence_the_host_s_patterns(
    bar: Standalone, people: Sealers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key_of_the_master(bar, people)
    test_the_hosts_own_patterns_are_sealed_with_the_key(bar, people, monkeypatch)


def test_what_is_secret_here_is_not_shown_beside_a_clear_one(bar: Standalone, people: Sealers) -> None:
    """The master took the seal off: the plan compares its content with the secret that is on this disk."""
    rebuilt(machine(bar, people), people.at_hand)
    push(bar.context("fresh", seal="no"), accept=True)
    (bar.tree / "a.key").write_bytes(b"another secret\n")
    proposed = propose(machine(bar, people, "third"), "bar", RebuildOptions())
    step = next(step for step in proposed.preview.plan.steps if step.path.endswith(b"a.key"))
    assert list(text_diff(proposed, step)) == ["sealed content (changed)"]


@pytest.mark.slow
def test_content_that_only_the_master_calls_purged_is_said_to_be(bar: Standalone, people: Sealers) -> None:
    key, signers = make_key(bar.top / "signing"), bar.top / "signers"
    signers.write_text(f"bar {public(key)}\n")
    rebuilt(machine(bar, people), people.at_hand)
    push(machine(bar, people, sign_key=str(key)))
    repository = hg.Repository.open(str(bar.master / "foo"))
    node = repository.names(repository.heads()[0])[b"a.key"][:20].hex()
    repository.erase({b"a.key": {node}})
    asking = machine(bar, people, "third", signers=str(signers))
    for context, told in ((asking, 1), (machine(bar, people, "fourth"), 0)):
        proposed = propose(context, "bar", RebuildOptions(identities=identity(people.at_hand)))
        (bar.tree / "a.key").unlink(missing_ok=True)
        reasons = [c.reason for c in proposed.concerns if c.path.endswith(b"a.key")]
        assert len(reasons) == 1 and reasons[0].count("only the master says") == told
