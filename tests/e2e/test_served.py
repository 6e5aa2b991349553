"""The whole story through a forced command, with a plain account, and between versions one apart."""

from __future__ import annotations

import json
import shutil

from pacha.wire import control
from tests.e2e.forced import Door
from tests.e2e.stage import Host, Stage, changed, picture


def story(host: Host) -> None:
    """A first push, an idle one, one of one file; the machine is lost, comes back, and goes on."""
    foo = host.stage.folder / "opt" / "foo"
    for name in ("one", "two", "below/three"):
        (foo / name).parent.mkdir(parents=True, exist_ok=True)
        (foo / name).write_text(f"{name}\n")
    host.watch(foo)
    host.push()
    first = host.repository("last-push").read_text()
    assert "nothing changed" in host.push().out
    assert host.repository("last-push").stat().st_mode & 0o077 == 0 or first
    (foo / "one").write_text("changed\n")
    assert "1 changed" in host.push().out
    host.verify_master()
    before = picture(foo)
    shutil.rmtree(foo)
    host.forget()
    host.rebuild()
    assert changed(before, picture(foo)) == []
    (foo / "new").write_text("the machine lives on\n")
    assert "1 added" in host.push().out
    assert "nothing changed" in host.push().out
    assert json.loads(host.repository("last-push").read_text())["exit"] == 0
    host.verify_master()
    assert not list(host.repository("").glob(".new*"))


def test_with_a_plain_account(stage: Stage) -> None:
    host = stage.host("bar")
    story(host)
    assert "greeted" not in host.memory


def test_behind_a_forced_command(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    story(host)
    assert host.memory["greeted"]
    kept = [path for path in host.repository("").rglob("*") if not path.is_symlink()]
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}
