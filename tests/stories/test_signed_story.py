"""Signing from end to end, over SSH: to a plain account, and behind the forced command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.forced import Door
from tests.support.forger import forge
from tests.support.signing import make_key, public
from tests.support.stage import Host, Stage, said

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.mark.parametrize("forced", by_turns([False, True], 2), ids=lambda forced: "forced" if forced else "plain")
def test_a_machine_believes_whom_it_was_told_to(stage: Stage, door: Door, tmp_path: Path, forced: bool) -> None:
    bar, foo = door.host(stage) if forced else stage.host("bar"), stage.folder / "foo"
    foo.mkdir()
    (foo / "one").write_text("one\n")
    bar.pacha("watch", foo).must()
    key, signers = make_key(tmp_path / "key"), tmp_path / "signers"
    signers.write_text(f'bar namespaces="*@pacha" {public(key)}\n')
    bar.configure(sign_key=str(key))
    bar.pacha("push").must()
    bar.pacha("push").must()
    assert public(key) in " ".join(bar.pacha("doctor").out.split())
    listed = said_by_the_master(bar, signers)
    assert listed["checked"]["signature"] == "signed" and listed["checked"]["signer"].startswith("SHA256:")

    fresh = Host(stage, stage.folder / "fresh", "bar", dict(bar.settings))
    done = fresh.pacha("rebuild", "bar", "--yes", "--signers", signers).must()
    assert "Signed by the key SHA256:" in done.out and "its newest signed heartbeat is" in done.out
    fresh.pacha("push").must()

    forge(bar, lambda database: database.execute("UPDATE entry SET mode = 2541 WHERE kind = 'f'"))
    late = Host(stage, stage.folder / "late", "bar", dict(bar.settings))
    late.configure(signers=str(signers))
    refused = late.pacha("rebuild", "bar", "--yes", "--signers", signers).must(13)
    said(refused, "is not on that snapshot", "The newest snapshot that is whole: pacha rebuild bar --at", "--signers")
    said(late.pacha("restore-db", "bar").must(13), "is not on that snapshot")
    listed = said_by_the_master(bar, signers, code=13)
    assert listed["checked"]["signature"] == "bad" and listed["checked"]["signer"] is None
    (stage.hosts / "bar/last-push").unlink()
    at = [word for word in refused.err.split() if len(word) == 12 and word.isalnum()][-1]
    late.pacha("rebuild", "bar", "--at", at, "--dry-run").must()
    said(late.pacha("rebuild", "bar", "--yes", "--signers", tmp_path / "missing").must(10), "cannot be read")


def said_by_the_master(bar: Host, signers: Path, code: int = 0) -> dict[str, dict[str, str]]:
    """What 'pacha hosts' says there after a check, with a list of signers that no host's account may read."""
    signers.chmod(0o600)
    bar.pacha("check", "bar", PACHA_CONFIG=str(asking(bar, signers))).must(code)
    found: list[dict[str, dict[str, str]]] = json.loads(bar.pacha("hosts", "--json").out)
    return found[0]


def asking(bar: Host, signers: Path) -> Path:
    """The configuration of the master, which asks for signatures."""
    config = bar.folder / "asking.conf"
    config.write_text(f"{bar.config.read_text()}pacha.signers = {signers}\n")
    return config
