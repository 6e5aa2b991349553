"""What a push signs, and with which number. ``stories/test_signing_keys`` has what follows from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.host.context import Context
from pacha.push import database, push
from pacha.rebuild.restore_db import restore_db
from pacha.store import hg, statement
from pacha.store.statement import SIGNATURE, STATEMENT, Statement
from pacha.system import signature
from pacha.system.signed_text import MOST_COUNTER, NO_DIGEST, digest
from pacha.wire import heartbeat
from pacha.wire.master import HEARTBEAT_MAX
from tests.support.signing import make_key
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(name="here")
def signing_host(bar: Standalone) -> Context:
    return bar.context(sign_key=str(make_key(bar.top / "key")))


def files(bar: Standalone) -> dict[bytes, bytes]:
    """The newest snapshot on the master."""
    repository = hg.Repository.open(str(bar.master / "db"))
    tip = next(repository.revisions())
    read = repository.reader(tip)
    return {name: read(name) for name in repository.names(tip)}


def said(bar: Standalone) -> Statement:
    return statement.decode(files(bar)[STATEMENT])


def test_each_snapshot_says_what_it_is_and_which_came_before(bar: Standalone, here: Context) -> None:
    push.push(here)
    first = files(bar)
    one = statement.decode(first[STATEMENT])
    assert (one.host, one.counter, one.before) == ("bar", 1, NO_DIGEST)
    assert one.database == digest(first[b"pacha.db"])
    signed = signature.read_armored(first[SIGNATURE])
    assert signature.is_intact(first[STATEMENT], signed, statement.NAMESPACE)
    (bar.tree / "one").write_text("two\n")
    push.push(here)
    two = said(bar)
    assert (two.counter, two.before) == (2, digest(first[STATEMENT]))
    repository = hg.Repository.open(str(bar.master / "db"))
    assert int(repository.note(next(repository.revisions())).at) == two.at


def test_an_idle_push_signs_its_heartbeat_and_nothing_else(bar: Standalone, here: Context) -> None:
    push.push(here)
    before = (bar.master / "last-push").read_bytes()
    assert not push.push(here).committed and said(bar).counter == 1
    words = [heartbeat.parse(text).signed for text in (before, (bar.master / "last-push").read_bytes())]
    for signed in words:
        assert signed and signature.is_intact(signed.text, signed.signature, heartbeat.NAMESPACE)
        assert (signed.word.host, signed.word.counter, signed.word.frequency) == ("bar", 1, 12.0)
        assert signed.word.statement == digest(files(bar)[STATEMENT])


def test_an_older_statement_does_not_stay_beside_an_unsigned_snapshot(bar: Standalone, here: Context) -> None:
    push.push(here)
    (bar.tree / "one").write_text("two\n")
    push.push(bar.context(sign_key="no"))
    assert not {STATEMENT, SIGNATURE} & files(bar).keys()
    assert "word" not in json.loads((bar.master / "last-push").read_text())


def test_a_heartbeat_that_would_be_too_long_goes_unsigned(
    bar: Standalone, here: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "signed_fields", lambda text, signed: {"word": "x" * HEARTBEAT_MAX})
    assert push.push(here).failures == ()
    assert heartbeat.parse((bar.master / "last-push").read_bytes()).signed is None


def test_a_push_cut_off_before_it_was_recorded_leaves_its_number(
    bar: Standalone, here: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    push.push(here)

    def cut_off(*arguments: object) -> None:
        raise KeyboardInterrupt

    (bar.tree / "one").write_text("two\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(database, "_state_changes", cut_off)
        push.push(here)
    (bar.tree / "one").write_text("three\n")
    push.push(here)
    repository = hg.Repository.open(str(bar.master / "db"))
    numbers = [statement.decode(repository.reader(node)(STATEMENT)).counter for node in repository.revisions()]
    assert numbers == [2, 1]


def test_what_is_pending_and_the_same_is_not_signed_again(bar: Standalone, here: Context) -> None:
    push.push(here)
    here.state.update(pending=True)
    assert not push.push(here).committed and said(bar).counter == 1


def test_a_missing_key_that_was_named_ends_the_push(bar: Standalone, tmp_path: Path) -> None:
    with pytest.raises(PachaError) as caught:
        push.push(bar.context(sign_key=str(tmp_path / "missing")))
    assert caught.value.code == "signing-failed"


@pytest.mark.slow
@pytest.mark.parametrize("counter", [10**12, MOST_COUNTER - 1], ids=["much", "all"])
def test_a_counter_that_a_thief_burnt_is_not_gone_on_with(bar: Standalone, here: Context, counter: int) -> None:
    """Whoever may add to the history had this machine adopt a statement of his own, under its own key's name."""
    push.push(here)
    there = files(bar)
    text = statement.encode(replace(said(bar), counter=counter))
    forged = {STATEMENT: text, SIGNATURE: there[SIGNATURE]}
    repository = hg.Repository.open(str(bar.master / "db"))
    tip = next(repository.revisions())
    note = replace(repository.note(tip), user="thief")
    repository.commit(tip, forged, (), lambda name: hg.Blob(forged[name]), note)
    restored = bar.context("fresh", sign_key=here.config.sign_key or "")
    restore_db(restored, "bar")
    assert push.push(restored).committed, "the newest snapshot is signed by the host itself"
    for text in ("two\n", "three\n"):
        (bar.tree / "one").write_text(text)
        push.push(restored)
        signed = signature.read_armored(files(bar)[SIGNATURE])
        assert signature.is_intact(files(bar)[STATEMENT], signed, statement.NAMESPACE)
        assert said(bar).counter <= 10**12 + 3
