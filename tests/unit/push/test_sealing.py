"""What a push seals, when it does so again, and what never is in the clear by mistake."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pacha.errors import ConfigError
from pacha.files import scan
from pacha.files.entry import Entry
from pacha.files.exclude import Rules
from pacha.files.owners import Accounts
from pacha.files.watch import Watch
from pacha.host import owed
from pacha.host.context import Context
from pacha.push.push import Pushed, push
from pacha.sealing import keys
from pacha.store import database, hg, tables
from pacha.store.snapshot import Snapshot
from tests.support.canaries import found
from tests.support.sealing import Sealers, new_identity, sealers
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

SECRET = b"7d5a-secret-of-this-test"


@pytest.fixture(name="people")
def two_people(bar: Standalone) -> Sealers:
    (bar.tree / "a.key").write_bytes(SECRET)
    return sealers(bar.top / "people")


def pushed(bar: Standalone, people: Sealers | None, *, accept: bool = False, seal: str = "*.key") -> Pushed:
    context = context_of(bar, people, seal)
    done = push(context, accept=accept)
    assert done.failures == ()
    return done


def context_of(bar: Standalone, people: Sealers | None, seal: str) -> Context:
    return bar.context(**({"seal": seal, **people.settings} if people else {}))


def snapshot(bar: Standalone) -> Snapshot:
    return database.read(bar.context().state.database)


def key(bar: Standalone, name: str = "a.key") -> Entry:
    return snapshot(bar).entries[os.fsencode(bar.tree / name)]


def test_only_what_matches_is_sealed_and_only_then_the_format_is_newer(bar: Standalone, people: Sealers) -> None:
    pushed(bar, people, seal="nothing.here")
    assert snapshot(bar).meta["readable_from"] == "1" and "sealed" not in columns(bar)
    assert "seal-keys_sha256" not in snapshot(bar).meta
    pushed(bar, people)
    assert snapshot(bar).meta["readable_from"] == snapshot(bar).meta["schema"] == "2"
    assert key(bar).sealed and key(bar, "one").sealed is None
    names = hg.Repository.open(bar.context().state.repository("db")).names(bar.context().state.read().tip)
    assert b"seal-keys" in names


def columns(bar: Standalone) -> set[str]:
    with database.connect(bar.context().state.database) as connection:
        return tables.column_names(connection, "entry")


def test_an_unchanged_file_is_not_sealed_again(bar: Standalone, people: Sealers) -> None:
    os.setxattr(bar.tree / "a.key", "user.note", SECRET)
    pushed(bar, people)
    first = key(bar)
    assert first.xattrs == ()
    assert not pushed(bar, people).committed
    (bar.tree / "one").write_text("two\n")
    os.utime(bar.tree / "a.key", ns=(5, 5))
    os.unlink(bar.context().state.cache)
    pushed(bar, people)
    assert (key(bar).sealed, key(bar).sha256, key(bar).mtime_ns) == (first.sealed, first.sha256, 5)
    os.setxattr(bar.tree / "a.key", "user.note", b"another")
    pushed(bar, people)
    assert key(bar).sha256 != first.sha256 and key(bar).xattrs == ()


def test_nothing_of_it_is_anywhere(bar: Standalone, people: Sealers) -> None:
    os.setxattr(bar.tree / "a.key", "user.note", SECRET)
    os.link(bar.tree / "a.key", bar.tree / "another name")
    pushed(bar, people)
    pushed(bar, people)
    assert key(bar, "another name").sealed
    assert found([SECRET], bar.top / "hosts", bar.top / "state") == {}


def test_other_recipients_seal_anew_and_are_named(bar: Standalone, people: Sealers) -> None:
    assert pushed(bar, people).concerns == ()
    first = key(bar)
    people.recipients.write_text(new_identity(people.folder / "new") + "\n")
    done = pushed(bar, people)
    assert [concern.path for concern in done.concerns] == [os.fsencode(people.recipients)]
    assert any("one recipient" in notice for notice in done.notices)
    assert key(bar).sealed not in (None, first.sealed) and key(bar).sha256 != first.sha256
    assert not pushed(bar, people).committed


def test_other_patterns_go_with_the_same_key(bar: Standalone, people: Sealers) -> None:
    pushed(bar, people)
    first, tip = key(bar), bar.context().state.read().tip
    pushed(bar, people, seal="*.key *.more")
    assert key(bar) == first and bar.context().state.read().tip != tip
    [known] = keys.read(bar.context().state.path).values()
    assert known.patterns == ("*.key", "*.more")
    assert not pushed(bar, people, seal="*.key *.more").committed


def test_a_lost_key_seals_anew(bar: Standalone, people: Sealers) -> None:
    pushed(bar, people)
    first = key(bar)
    (bar.context().state.path / keys.FILE).unlink()
    assert pushed(bar, people).concerns == ()
    assert key(bar).sha256 != first.sha256


@pytest.mark.slow
def test_what_does_not_match_any_more_is_named_and_in_the_clear(bar: Standalone, people: Sealers) -> None:
    os.setxattr(bar.tree / "a.key", "user.note", b"note")
    pushed(bar, people)
    done = pushed(bar, people, seal="*.other")
    assert [concern.path for concern in done.concerns] == [os.fsencode(bar.tree / "a.key")]
    assert key(bar).sealed is None and dict(key(bar).xattrs)[b"user.note"] == b"note"
    assert snapshot(bar).meta["readable_from"] == "1"
    assert pushed(bar, people, seal="*.other").concerns == ()
    pushed(bar, people)
    assert key(bar).sealed and key(bar).xattrs == ()


def test_a_lost_configuration_uncovers_nothing(bar: Standalone, people: Sealers) -> None:
    pushed(bar, people)
    with pytest.raises(ConfigError) as caught:
        pushed(bar, None)
    assert caught.value.code == "seal-not-configured"
    assert found([SECRET], bar.top / "hosts", bar.top / "state") == {}
    with pytest.raises(ConfigError):  # which is said for an unfinished rebuild, too
        pushed(bar, None, accept=True)
    assert found([SECRET], bar.top / "hosts", bar.top / "state") == {}
    empty = bar.context(seal="no")
    with pytest.raises(ConfigError):
        push(empty)
    assert push(empty, accept=True).concerns
    assert key(bar).sealed is None


def test_recipients_that_cannot_be_read_push_nothing(bar: Standalone, people: Sealers) -> None:
    people.recipients.unlink()
    with pytest.raises(ConfigError) as caught:
        pushed(bar, people)
    assert caught.value.code == "recipients-unusable"
    assert not Path(bar.master / "foo").exists()


def test_a_file_that_cannot_be_read_stays_as_it_was(
    bar: Standalone, people: Sealers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is to be sealed for others, and cannot be read: it stays under the key of then, which stays as well."""
    pushed(bar, people)
    first = key(bar)
    people.recipients.write_text(new_identity(people.folder / "new") + "\n")
    real = os.open

    def refusing(path: object, *arguments: object, **more: object) -> int:
        if path == b"a.key":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    done = pushed(bar, people)
    monkeypatch.undo()
    assert os.fsencode(bar.tree / "a.key") in {concern.path for concern in done.concerns}
    assert key(bar) == first
    pushed(bar, people)
    assert key(bar).sealed != first.sealed


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "clear"])
def test_what_is_owed_is_never_read_from_the_disk(bar: Standalone, people: Sealers, is_sealed: bool) -> None:
    """Whoever can add a head to the content on the master makes a push write all again that differs there."""
    pushed(bar, people, seal="*.key" if is_sealed else "nothing.here")
    path = os.fsencode(bar.tree / "a.key")
    recorded, context = key(bar), context_of(bar, people, "*.key" if is_sealed else "nothing.here")
    (bar.tree / "a.key").write_bytes(b"what was there before the rebuild")
    entries = scan_of(bar)
    owed.remember(context.state, [path], entries)
    thief = hg.Repository.open(str(bar.master / "foo"))
    blob = hg.Blob(b"of the thief")
    thief.commit(thief.heads()[0], [b"a.key", b"one"], [], lambda name: blob, hg.Note("x", "thief", 9.0))
    (bar.tree / "one").write_text("two\n")
    assert push(context).failures == ()
    assert key(bar) == recorded
    node = snapshot(bar).live[0].node
    assert node
    stored = hg.Repository.open(str(bar.master / "foo")).reader(node)(b"a.key")
    assert hashlib.sha256(stored).digest() == (recorded.sealed[:32] if recorded.sealed else recorded.sha256)


def scan_of(bar: Standalone) -> dict[bytes, Entry]:
    """The disk as it is now."""
    top = Watch(bar.path, False, Rules.of(()), False)
    return dict(scan.scan([top], {}, {}, Accounts.of_machine()).entries)
