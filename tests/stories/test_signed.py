"""A master that need not be trusted: whatever it forges is refused with 13, or named before the first change.

The manipulations stand in two tables. Each is done to a copy of one master; a fresh machine then rebuilds bar with the
allowed signers as its only knowledge. The default run takes a part of the first table by turns.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.errors import DamagedError, ExitCode, PachaError
from pacha.fetch import retry
from pacha.rebuild import last_word, rebuild, restore_db
from pacha.store import hg
from pacha.store.host_state import Stated
from pacha.store.statement import SIGNATURE, STATEMENT
from pacha.system.signed_text import digest
from tests.support.amount import by_turns
from tests.support.mercurial import run_hg
from tests.support.signing import Forger, SignedWorld, make
from tests.support.stage import picture

pytestmark = [
    pytest.mark.soak,
    # Mercurial leaves files of its own open for the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
DB = b"pacha.db"


@pytest.fixture(name="world", scope="module")
def signed_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedWorld]:
    top = tmp_path_factory.mktemp("signed").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(top))
        yield make(top)


@pytest.fixture(name="forger")
def master_in_other_hands(world: SignedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forger:
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    hosts = tmp_path / "hosts"
    shutil.copytree(world.top / "hosts", hosts, symlinks=True)
    shutil.rmtree(world.top / "fresh", ignore_errors=True)
    return Forger(world, hosts)


@dataclass(frozen=True)
class Case:
    """What the master does, and the codes of the errors that may refuse it."""

    name: str
    act: Callable[[Forger], object]
    codes: str


def sql(text: str) -> Callable[[Forger], object]:
    """A row of the newest pacha.db is another; its statement stays."""
    return lambda forger: forger.add({DB: forger.database(lambda connection: connection.execute(text))})


def texts(change: Callable[[Forger], dict[bytes, bytes]]) -> Callable[[Forger], object]:
    return lambda forger: forger.add(change(forger))


def edited(name: bytes, old: bytes, new: bytes) -> Callable[[Forger], object]:
    def act(forger: Forger) -> None:
        before = forger.files()[name]
        assert old in before
        forger.add({name: before.replace(old, new, 1)})

    return act


def flipped(seed: int) -> Callable[[Forger], object]:
    def act(forger: Forger) -> None:
        data = bytearray(forger.files()[DB])
        data[random.Random(seed).randrange(len(data))] ^= 1
        forger.add({DB: bytes(data)})

    return act


def vacuumed(forger: Forger) -> None:
    forger.add({DB: forger.database(lambda connection: connection.executescript("PRAGMA user_version = 7"))})


def replayed(*, dated: bool) -> Callable[[Forger], object]:
    """An older snapshot, with its own statement, as the newest; ``dated``: with its own date, too."""

    def act(forger: Forger) -> None:
        old = {name: text for name, text in forger.files(2).items() if name in (DB, STATEMENT, SIGNATURE)}
        forger.add(old, at=forger.stated(2).at if dated else time.time() + 10)

    return act


def of_foo(forger: Forger) -> None:
    forger.add({name: text for name, text in forger.files(0, "foo").items() if name in (DB, STATEMENT, SIGNATURE)})


def of_this_image(forger: Forger, key: str, namespace: str = "snapshot@pacha") -> dict[bytes, bytes]:
    """A pacha.db of the master's choosing with a statement on it that ``key`` signed."""
    image = forger.database(lambda connection: connection.execute("UPDATE entry SET mode = 4095 WHERE kind = 'f'"))
    return {DB: image, **forger.restate(key, namespace, database=digest(image))}


def signed_by(key: str, namespace: str = "snapshot@pacha") -> Callable[[Forger], object]:
    return texts(lambda forger: of_this_image(forger, key, namespace))


def content(act: Callable[[Path], object]) -> Callable[[Forger], object]:
    """The stored content of bar's one repository is another."""

    def damage(forger: Forger) -> None:
        path = next((forger.hosts / "bar/foo/.hg/store/data").rglob("one.i"))
        act(path)

    return damage


def last_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3] + b"abc")


def stripped_and_forged(forger: Forger) -> None:
    sql("UPDATE entry SET uid = 0")(forger)
    forger.add({}, STATEMENT, SIGNATURE)


def other_repository(forger: Forger) -> None:
    shutil.rmtree(forger.hosts / "bar/foo")
    shutil.copytree(forger.hosts / "foo/other", forger.hosts / "bar/foo")


def without_content_head(forger: Forger) -> None:
    run_hg("--config", "extensions.strip=", "-R", str(forger.hosts / "bar/foo"), "strip", "--no-backup", "-q", "tip")


def erased(name: bytes, repository: str = "db") -> Callable[[Forger], object]:
    """The newest content of a file is a tombstone, as after a purge."""

    def act(forger: Forger) -> None:
        there = hg.Repository.open(str(forger.hosts / "bar" / repository))
        assert there.erase({name: [there.names(next(there.revisions()))[name].hex()]})

    return act


def own_signers(forger: Forger) -> None:
    """The master brings allowed signers of its own, wherever they might be looked for."""
    line = (forger.world.key("thief").with_suffix(".pub")).read_text()
    for place in (forger.hosts, forger.hosts / "bar", forger.db, forger.db / ".hg"):
        for name in ("signers", "allowed_signers", "pacha.conf"):
            (place / name).write_text(f"bar {line}")
    forger.add({b"signers": f"bar {line}".encode(), **of_this_image(forger, "thief")})


DAMAGED = "repository-damaged content-damaged"
DIFFERS, WRONG, UNSIGNED = "statement-differs", "signature-wrong", "snapshot-unsigned"
REFUSED = [
    Case("content-row", sql("UPDATE entry SET sha256 = zeroblob(32) WHERE kind = 'f'"), DIFFERS),
    Case("owner", sql("UPDATE entry SET uid = 0, owner = 'root'"), DIFFERS),
    Case("setuid", sql("UPDATE entry SET mode = 3565 WHERE kind = 'f'"), DIFFERS),
    Case("path", sql("UPDATE entry SET path = CAST(path AS BLOB) || CAST('x' AS BLOB) WHERE kind = 'f'"), DIFFERS),
    Case("row-removed", sql("DELETE FROM entry WHERE kind = 'f'"), DIFFERS),
    Case("time", sql("UPDATE entry SET mtime_ns = 5"), DIFFERS),
    Case("xattr", sql("UPDATE entry SET xattrs = '{\"user.a\": \"AA==\"}'"), DIFFERS),
    Case("rule", sql("UPDATE watched SET exclude = '[\"*\"]'"), DIFFERS),
    Case("retired", sql("UPDATE watched SET retired = 1"), DIFFERS),
    Case("content-node", sql(f"UPDATE watched SET node = '{'ab' * 20}'"), DIFFERS),
    Case("parent-mode", sql("UPDATE parent SET mode = 511"), DIFFERS),
    Case("account", sql("INSERT INTO account (name, is_group, number) VALUES (CAST('x' AS BLOB), 0, 0)"), DIFFERS),
    Case("meta-host", sql("UPDATE meta SET value = 'foo' WHERE key = 'host'"), DIFFERS),
    Case("meta-frequency", sql("UPDATE meta SET value = '700' WHERE key = 'frequency'"), DIFFERS),
    Case("meta-machine", sql(f"UPDATE meta SET value = '{'0' * 64}' WHERE key = 'machine_sha256'"), DIFFERS),
    Case("readable-from", sql("UPDATE meta SET value = '99' WHERE key = 'readable_from'"), DIFFERS),
    Case("not-a-row", vacuumed, DIFFERS),
    *(Case(f"byte-{seed}", flipped(seed), DIFFERS) for seed in range(6)),
    Case("longer", texts(lambda forger: {DB: forger.files()[DB] + b"\0"}), DIFFERS),
    Case("no-database", lambda forger: forger.add({}, DB), "foreign-database"),
    Case("counter", edited(STATEMENT, b"counter 4", b"counter 9"), WRONG),
    Case("time-stated", edited(STATEMENT, b"time 20", b"time 19"), DIFFERS),
    Case("before", edited(STATEMENT, b"before ", b"before -"), DIFFERS),
    Case("host-stated", edited(STATEMENT, b"host bar", b"host foo"), DIFFERS),
    Case("host-pattern", edited(STATEMENT, b"host bar", b"host *"), DIFFERS),
    Case("line-added", texts(lambda forger: {STATEMENT: forger.files()[STATEMENT] + b"allow all\n"}), WRONG),
    Case("other-format", edited(STATEMENT, b"pacha-snapshot 1", b"pacha-snapshot 2"), DIFFERS),
    Case("statement-of-nothing", texts(lambda forger: {STATEMENT: b"\n" * 9}), DIFFERS),
    Case("statement-huge", texts(lambda forger: {STATEMENT: forger.files()[STATEMENT] + b"x" * (1 << 20)}), DIFFERS),
    Case("stripped", lambda forger: forger.add({}, STATEMENT, SIGNATURE), UNSIGNED),
    Case("stripped-and-forged", stripped_and_forged, UNSIGNED),
    Case("no-signature", lambda forger: forger.add({}, SIGNATURE), UNSIGNED),
    Case("no-statement", lambda forger: forger.add({}, STATEMENT), UNSIGNED),
    Case("signature-cut", texts(lambda forger: {SIGNATURE: forger.files()[SIGNATURE][:100]}), WRONG),
    Case("signature-of-noise", texts(lambda forger: {SIGNATURE: random.Random(1).randbytes(400)}), WRONG),
    Case("signature-huge", texts(lambda forger: {SIGNATURE: forger.files()[SIGNATURE] * 1000}), WRONG),
    Case("signature-of-another", texts(lambda forger: {SIGNATURE: forger.files(1)[SIGNATURE]}), WRONG),
    Case("statement-of-another", texts(lambda forger: {STATEMENT: forger.files(1)[STATEMENT]}), DIFFERS),
    Case("both-of-another", texts(lambda forger: {n: forger.files(1)[n] for n in (STATEMENT, SIGNATURE)}), DIFFERS),
    Case("foreign-key", signed_by("thief"), "signer-unknown"),
    Case("other-hosts-key", signed_by("foo"), "signer-not-allowed"),
    Case("expired-key", signed_by("expired"), "signer-not-allowed"),
    Case("early-key", signed_by("early"), "signer-not-allowed"),
    Case("revoked-key", signed_by("stolen"), "signer-revoked"),
    Case("key-for-git", signed_by("git"), "signer-not-allowed"),
    Case("made-for-git", signed_by("bar", "git"), WRONG),
    Case("made-for-heartbeats", signed_by("bar", "heartbeat@pacha"), WRONG),
    Case("other-hosts-folder", lambda forger: forger.exchange("foo"), DIFFERS),
    Case("other-hosts-snapshot", of_foo, DIFFERS),
    Case("own-signers", own_signers, "signer-unknown"),
    Case("older-database", texts(lambda forger: {DB: forger.files(1)[DB]}), DIFFERS),
    Case("replayed", replayed(dated=False), DIFFERS),
    Case("replayed-with-its-date", replayed(dated=True), "snapshot-hidden"),
    Case("other-date", lambda forger: forger.add({b"x": b"x"}, at=time.time() - 86400), DIFFERS),
    Case("set-back", lambda forger: forger.set_back(1), "snapshot-hidden"),
    Case("set-back-to-the-first", lambda forger: forger.set_back(3), "snapshot-hidden"),
    Case("number-twice", signed_by("bar"), "counter-used-twice"),
    Case("facts", texts(lambda forger: {b"machine": forger.files()[b"machine"] + b"x\ty\n"}), "companion-damaged"),
    Case("facts-of-foo", texts(lambda forger: {b"machine": b"nothing\n"}), "companion-damaged"),
    Case("no-facts", lambda forger: forger.add({}, b"machine"), "repository-damaged companion-damaged"),
    Case("database-erased", erased(b"pacha.db"), "snapshot-unreadable"),
    Case("statement-erased", erased(STATEMENT), UNSIGNED),
    Case("signature-erased", erased(SIGNATURE), UNSIGNED),
    Case("facts-erased", erased(b"machine"), "companion-damaged"),
    Case("content-byte", content(last_bytes), DAMAGED),
    Case("content-cut", content(lambda path: os.truncate(path, 70)), DAMAGED),
    Case("content-gone", content(Path.unlink), DAMAGED),
    Case("content-of-foo", other_repository, "revision-missing"),
    Case("content-head-dropped", without_content_head, "revision-missing"),
]  # fmt: skip


def test_the_table_is_long_enough() -> None:
    assert len({case.name for case in REFUSED}) == len(REFUSED) >= 40


@pytest.mark.parametrize("case", by_turns(REFUSED, 6), ids=lambda case: case.name)
def test_what_a_master_forges_is_refused_before_anything_is_changed(forger: Forger, case: Case) -> None:
    case.act(forger)
    fresh, tree = forger.world.machine("fresh", forger.hosts), forger.world.here.tree
    (tree / "one").write_text("in the way\n")
    before = picture(tree)
    with pytest.raises(DamagedError) as caught:
        rebuild.rebuild(fresh, "bar")
    error = caught.value
    assert error.exit_code == ExitCode.DAMAGED == 13
    assert error.code in case.codes.split(), error.in_a_line
    assert error.hint and all(text.isprintable() for text in (error.message, error.why, error.hint))
    assert picture(tree) == before and not fresh.state.read().tip
    assert os.listdir(os.environ["TMPDIR"]) == []


_ALSO = {"stripped", "setuid", "foreign-key", "revoked-key", "set-back", "facts", "other-hosts-snapshot"}
SAMPLE = [case for case in REFUSED if case.name in _ALSO]


@pytest.mark.parametrize("case", by_turns(SAMPLE, 3), ids=lambda case: case.name)
def test_so_it_is_by_restore_db(forger: Forger, case: Case) -> None:
    case.act(forger)
    fresh = forger.world.machine("fresh", forger.hosts)
    with pytest.raises(DamagedError) as caught:
        restore_db.restore_db(fresh, "bar")
    assert caught.value.code in case.codes.split()
    assert not fresh.state.read().tip and not fresh.state.read().hostname


def a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(last_word.time, "time", lambda: now + 86_400)


def silent(forger: Forger) -> None:
    """Nothing is forged, and the host says no more: as when it died."""


def both_set_back(forger: Forger) -> None:
    """The db, and the heartbeat of that time: no memory but the host's own can prove it."""
    forger.set_back(2)
    files = forger.files()
    forger.say("bar", counter=2, tip=forger.nodes()[0], statement=digest(files[STATEMENT]))


def of_another_host(forger: Forger) -> None:
    forger.beat.write_bytes((forger.hosts / "foo/last-push").read_bytes())


def in_the_future(forger: Forger) -> None:
    forger.say("bar", at=time.time() + 3 * 86_400)


NAMED: list[tuple[str, Callable[[Forger], object], str]] = [
    ("both-set-back", both_set_back, "the last signed word of 'bar' is 24 hours old, and it means to push every 12"),
    ("silent", silent, "the last signed word of 'bar' is 24 hours old"),
    ("no-heartbeat", lambda forger: forger.beat.unlink(), "its last-push is not signed"),
    ("heartbeat-stripped", lambda forger: forger.rewrite(signature=None), "its last-push is not signed"),
    ("heartbeat-of-noise", lambda forger: forger.rewrite(signature="AAAA"), "its last-push is not signed"),
    ("heartbeat-edited", lambda forger: forger.rewrite(word="pacha-heartbeat 1\n"), "its last-push is not signed"),
    ("heartbeat-of-the-thief", lambda forger: forger.say("thief"), "its last-push does not count (An unknown key"),
    ("heartbeat-revoked", lambda forger: forger.say("stolen"), "its last-push does not count (A key that was revoked"),
    ("heartbeat-expired", lambda forger: forger.say("expired"), "its last-push does not count (A key that may not"),
    ("heartbeat-as-snapshot", lambda f: f.say("bar", "snapshot@pacha"), "its last-push does not count (What the"),
    ("heartbeat-of-foo", of_another_host, "its last-push does not count"),
    ("heartbeat-ahead", in_the_future, "ahead of this machine's clock"),
]


@pytest.mark.parametrize("act,told", [pytest.param(*case[1:], id=case[0]) for case in by_turns(NAMED, 3)])
def test_what_no_memory_can_prove_is_named_before_the_first_change(
    forger: Forger, act: Callable[[Forger], object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(forger)
    a_day_later(monkeypatch)
    proposal = rebuild.propose(forger.world.machine("fresh", forger.hosts), "bar")
    assert proposal.signed is not None and proposal.signed.key.startswith("SHA256:")
    reasons = [difference.reason for difference in proposal.differences]
    assert any(told in reason for reason in reasons), reasons
    assert any(told in concern.reason for concern in proposal.concerns), "it is not part of exit code 3"


def test_a_machine_that_knows_a_newer_number_refuses_outright(forger: Forger) -> None:
    both_set_back(forger)
    fresh = forger.world.machine("fresh", forger.hosts)
    fresh.state.update(stated={"bar": Stated(counter=4, digest="0" * 64)})
    with pytest.raises(DamagedError) as caught:
        rebuild.rebuild(fresh, "bar")
    assert caught.value.code == "snapshot-set-back"
    named = rebuild.propose(fresh, "bar", rebuild.RebuildOptions(at=forger.nodes()[0]))
    assert named.signed and named.signed.counter == 2  # a person said so


def test_what_is_good_is_rebuilt_and_remembered(forger: Forger) -> None:
    fresh = forger.world.machine("fresh", forger.hosts)
    rebuilt = rebuild.rebuild(fresh, "bar")
    assert rebuilt.adopted and rebuilt.proposal.signed and rebuilt.proposal.signed.heard
    assert fresh.state.read().stated["bar"].counter == 4
    words = rebuilt.proposal.signed.words
    assert "Signed by the key SHA256:" in words and words.endswith(" s old.")


def test_content_that_was_erased_is_named_and_its_old_file_stays(forger: Forger) -> None:
    """That it was erased is the master's word; it may withhold, and nothing else."""
    erased(b"one", "foo")(forger)
    one = forger.world.here.tree / "one"
    one.write_text("here before\n")
    rebuilt = rebuild.rebuild(forger.world.machine("fresh", forger.hosts), "bar")
    assert one.read_text() == "here before\n"
    assert os.fsencode(one) in {concern.path for concern in rebuilt.proposal.concerns}


def test_who_cannot_verify_restores_nothing(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacha.system.signature.find_program", lambda name: "")
    with pytest.raises(PachaError) as caught:
        rebuild.rebuild(forger.world.machine("fresh", forger.hosts), "bar")
    assert caught.value.code == "signature-not-checked"
