"""A rebuild that can be read beforehand: --dry-run, --json, the second question, hooks, the report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.keyboard import at_terminal
from tests.support.stage import PACHA, Done, Host, Stage, alone, picture

pytestmark = pytest.mark.usefixtures("as_root")


def plant(host: Host, opt: Path) -> Path:
    """A tree that is pushed, and then spoilt: the machine has lost its state."""
    foo = opt / "foo"
    (foo / "sub").mkdir(parents=True)
    (foo / "app.conf").write_text("port = 80\nname = bar\n")
    (foo / "key").write_text("secret\n")
    (foo / "key").chmod(0o600)
    (foo / "logo").write_bytes(b"\0\1\2")
    (foo / "odd \x1b[31m").write_text("x")
    (foo / "sub" / "gone").write_text("gone")
    (foo / "sub" / "same").write_text("same")
    host.watch(foo)
    host.push()
    (foo / "app.conf").write_text("port = 81\nname = bar\n")
    (foo / "key").chmod(0o644)
    (foo / "logo").write_bytes(b"\0\1\2\3")
    (foo / "sub" / "gone").unlink()
    (foo / "extra").write_text("extra")
    host.forget()
    return foo


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return alone(tmp_path)


@pytest.fixture
def foo(host: Host, tmp_path: Path) -> Path:
    return plant(host, tmp_path / "opt")


def steps(done: Done) -> dict[str, tuple[str, str]]:
    """Path: (action, reason) of a plan printed as JSON, without the paths that are as they should be."""
    found = {step["path"]: (step["action"], step.get("reason", "")) for step in json.loads(done.out)["steps"]}
    return {path: what for path, what in found.items() if what[0] != "same"}


def test_a_dry_run_tells_each_path_and_changes_nothing(host: Host, foo: Path) -> None:
    before = picture(foo)
    done = host.pacha("rebuild", "bar", "--dry-run").must()
    assert picture(foo) == before and os.listdir(host.temporary) == []
    assert not (host.state / "pacha.db").exists() and not (host.state / "rebuilds").exists()
    for line in (
        f"replace  {foo}/app.conf: content",
        f"metadata {foo}/key: mode 0644 -> 0600",
        f"create   {foo}/sub/gone",
        f"extra    {foo}/extra: left",
        f"It watches {foo} (8).",
        "       1 to make",
        "       2 to replace",
        "Nothing was changed.",
    ):
        assert line in done.out.splitlines(), done.out
    assert not [line for line in done.out.splitlines() if line.startswith("same ") and "%" not in line]


def test_with_v_it_shows_what_differs_in_texts(host: Host, foo: Path) -> None:
    out = host.pacha("-v", "rebuild", "bar", "--dry-run").must().out
    assert "    -port = 81\n    +port = 80\n     name = bar\n" in out
    assert "    binary: 4 bytes -> 3 bytes\n" in out
    assert "secret" not in out


def test_as_json_it_is_the_list_that_is_then_applied(host: Host, foo: Path) -> None:
    planned = host.pacha("rebuild", "bar", "--dry-run", "--json", "--delete").must()
    done = host.pacha("rebuild", "bar", "--yes", "--json", "--delete").must()
    assert steps(planned) == steps(done)
    report = json.loads(done.out)
    assert report["done"] == {"create": 1, "metadata": 3, "replace": 2, "same": 2, "extra": 1} == report["totals"]
    assert (report["adopted"], report["concerns"], report["owed"]) == (True, [], [])
    kept = Path(report["report"])
    assert json.loads((kept.parent / "report.json").read_text())["steps"] == report["steps"]
    assert f"replace  {foo}/app.conf: content" in kept.read_text().splitlines()
    assert kept.stat().st_mode & 0o777 == 0o600
    again = json.loads(host.pacha("rebuild", "bar", "--dry-run", "--json", "--delete").must().out)
    assert set(again["totals"]) == {"same"}


def test_json_and_a_question_do_not_go_together(host: Host, foo: Path) -> None:
    done = host.pacha("rebuild", "bar", "--json").must(2)
    assert done.out == "" and "--yes" in done.err


def test_at_a_terminal_what_would_be_replaced_is_asked_about_once_more(host: Host, foo: Path) -> None:
    before = picture(foo)
    code, shown = at_terminal(host, "rebuild", "bar", keys=[b"\n", b"\x03"])
    assert code == 128 + signal.SIGINT and picture(foo) == before
    assert f"replace  {foo}/app.conf: content" in shown and "Nothing was changed." in shown
    code, shown = at_terminal(host, "rebuild", "bar", keys=[b"\n", b"\n"])
    assert code == 0 and (foo / "app.conf").read_text() == "port = 80\nname = bar\n"


def test_where_nothing_would_be_replaced_one_question_is_enough(host: Host, foo: Path) -> None:
    shutil.rmtree(foo)
    code, _ = at_terminal(host, "rebuild", "bar", keys=[b"\n"])
    assert code == 0 and (foo / "sub" / "gone").exists()


def test_what_would_be_moved_aside_is_named_with_the_question(host: Host, foo: Path) -> None:
    code, shown = at_terminal(host, "--quiet", "rebuild", "bar", "--delete", keys=[b"\n", b"\x03"])
    assert code == 128 + signal.SIGINT and (foo / "extra").exists()
    assert f"extra    {foo}/extra: moved aside" in shown


def test_what_a_part_came_to_does_not_speak_of_the_whole_host(host: Host, foo: Path) -> None:
    done = host.rebuild("--path", foo / "app.conf")
    assert f"{foo}/app.conf of 'bar' is as it was on " in done.out and "\n'bar' is" not in done.out


def test_a_rebuild_that_changed_nothing_is_not_what_undo_takes_back(host: Host, foo: Path) -> None:
    before = picture(foo)
    host.rebuild()
    for _ in range(4):
        host.rebuild()
    host.rebuild("--target", foo.parent / "rehearsal")
    listed = host.pacha("undo", "--list").must().out
    assert f"rebuild of 'bar' below {foo.parent}/rehearsal on " in listed and "nothing to undo" in listed
    host.pacha("undo").must()
    assert not (foo.parent / "rehearsal" / "opt").exists() and picture(foo) != before
    host.pacha("undo").must()
    assert picture(foo) == before


def test_a_missing_owner_is_asked_about(host: Host, tmp_path: Path) -> None:
    foo = tmp_path / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "theirs").write_text("x")
    host.watch(foo)
    host.push()
    shutil.rmtree(foo)
    host.forget()
    spoil = "update entry set owner = x'6e6f6f6e65', uid = 54099 where kind = 'f'"
    _rewrite(host, spoil)
    code, shown = at_terminal(host, "rebuild", "bar", keys=[b"\n", b"\x03"])
    assert code == 130 and "1 to be left without their owner or group" in shown and not foo.exists()


def _rewrite(host: Host, statement: str) -> None:
    """Make a last snapshot on the master that says something else."""
    import sqlite3

    from pacha.store import hg

    repository = hg.Repository.open(str(host.repository("db")))
    tip = next(repository.revisions())
    beside = host.folder / "spoilt.db"
    beside.write_bytes(repository.reader(tip)(b"pacha.db"))
    with sqlite3.connect(beside) as database:
        database.execute(statement)
    database.close()
    image = beside.read_bytes()
    beside.unlink()
    repository.commit(tip, [b"pacha.db"], [], lambda name: hg.Blob(image), hg.Note("spoilt", "x", 1.0))


def test_a_rebuild_that_was_cut_off_is_carried_on_and_says_so(host: Host, foo: Path) -> None:
    command = ["strace", "-o", "/dev/null", "-e", "trace=renameat,renameat2"]
    command += ["-e", "inject=renameat,renameat2:signal=SIGKILL:when=2", PACHA, "rebuild", "bar", "--yes"]
    killed = subprocess.run(command, env=host.environment(), capture_output=True)
    assert killed.returncode in (-9, 137)
    assert "unfinished" in host.pacha("undo", "--list").must().out
    assert "which was interrupted, is resumed" in host.rebuild().out
    listed = host.pacha("undo", "--list").must().out
    assert "interrupted, finished by a later one" in listed and "unfinished" not in listed
    assert "carried on" not in host.rebuild().out


# -- hooks


def hook(host: Host, name: str, text: str) -> None:
    path = host.stage.hosts / ".hooks" / "bar" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_hooks_run_only_where_they_are_asked_for(host: Host, foo: Path, tmp_path: Path) -> None:
    hook(host, "pacha_pre/10-x", f"echo pre >> {tmp_path}/ran")
    hook(host, "pacha_post/10-x", f"echo post >> {tmp_path}/ran")
    host.rebuild()
    assert not (tmp_path / "ran").exists()
    done = host.pacha("rebuild", "bar", "--dry-run", "--hooks").must()
    assert "run before: pacha_pre/10-x sha256 " in done.out and "root's on the master" in done.out
    assert not (tmp_path / "ran").exists()
    host.rebuild("--hooks")
    assert (tmp_path / "ran").read_text() == "pre\npost\n"
    host.configure(hooks="yes")
    host.rebuild("--target", str(tmp_path / "rehearsal"))
    host.rebuild("--path", str(foo / "key"))
    assert (tmp_path / "ran").read_text() == "pre\npost\n"
    host.rebuild()
    assert (tmp_path / "ran").read_text() == "pre\npost\n" * 2


def test_a_failing_pre_hook_stops_before_any_change(host: Host, foo: Path) -> None:
    before = picture(foo)
    hook(host, "pacha_pre/10-x", "echo it hurts; exit 7")
    hook(host, "pacha_pre/20-x", f"touch {foo}/never")
    done = host.pacha("-q", "rebuild", "bar", "--yes", "--hooks").must(1)
    assert picture(foo) == before and done.out == ""
    assert done.lines[:2] == ["pacha: Hook pacha_pre/10-x: exit code 7.", "       | it hurts"]
    assert done.lines[2] == "pacha: The hook pacha_pre/10-x failed; nothing was changed."
    assert not (host.state / "pacha.db").exists() and not list(host.state.glob("hooks-*"))


def test_a_failing_post_hook_is_something_to_look_at(host: Host, foo: Path) -> None:
    hook(host, "pacha_post/10-x", "exit 7")
    done = host.rebuild("--hooks", code=3)
    assert "pacha: pacha_post/10-x: the hook failed: exit code 7" in done.lines
    assert (foo / "app.conf").read_text() == "port = 80\nname = bar\n"
    host.push()


def test_what_a_pre_hook_changes_counts(host: Host, foo: Path) -> None:
    hook(host, "pacha_pre/10-x", f"rm {foo}/key")
    out = host.rebuild("--hooks").out
    head, now = out.split("Packages, or hooks, changed what there is to do. It is now:")
    assert "It watches" in head and "2 to make" in now and (foo / "key").stat().st_mode & 0o777 == 0o600


def test_over_ssh_nobody_vouches_for_their_owner(bar: Host, stage: Stage) -> None:
    plant(bar, stage.folder / "opt")
    hook(bar, "pacha_pre/10-x", "echo $PACHA_HOST")
    (stage.hosts / ".hooks" / "bar" / "pacha_pre" / "20-off").write_text("#!/bin/sh\nexit 1\n")
    done = bar.rebuild("--hooks")
    assert "whose it is on the master cannot be told" in done.out and "  | bar" in done.out
    assert "not run: pacha_pre/20-off: it is not executable" in done.out


def test_one_that_others_can_write_to_is_refused(host: Host, foo: Path) -> None:
    hook(host, "pacha_pre/10-x", "true")
    (host.stage.hosts / ".hooks" / "bar" / "pacha_pre" / "10-x").chmod(0o777)
    before = picture(foo)
    done = host.pacha("rebuild", "bar", "--yes", "--hooks").must(1)
    assert "not root's alone" in done.err and picture(foo) == before


# -- the pre-flight


def test_what_the_disk_cannot_hold_is_said_before_anything_is_written(host: Host, tmp_path: Path) -> None:
    from tests.support.stage import small_disk

    foo = tmp_path / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "large").write_bytes(os.urandom(3 << 20))
    host.watch(foo)
    host.push()
    shutil.rmtree(foo)
    host.forget()
    with small_disk(foo, "1m"):
        done = host.pacha("rebuild", "bar", "--dry-run").must(3)
        assert "its file system has room for" in done.err
        done = host.pacha("rebuild", "bar", "--yes").must(1)
        assert done.lines[0] == "pacha: There is no room for the rebuild; no file was changed."
        assert os.listdir(foo) == [] and not (host.state / "rebuilds").exists()


def test_a_mount_point_in_the_way_is_in_the_plan_and_stays(host: Host, foo: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mounted")
    subprocess.run(["mount", "--bind", tmp_path / "other", foo / "app.conf"], check=True)
    try:
        line = f"cannot   {foo}/app.conf: a file system is mounted on it"
        assert line in host.pacha("rebuild", "bar", "--dry-run").must(3).out.splitlines()
        done = host.rebuild(code=3)
        assert f"pacha: {foo}/app.conf: a file system is mounted on it" in done.lines
        assert "Owed: 1." in done.out and (foo / "app.conf").read_text() == "mounted"
    finally:
        subprocess.run(["umount", foo / "app.conf"], check=True)
    host.rebuild()
    assert (foo / "app.conf").read_text() == "port = 80\nname = bar\n"


def test_a_running_program_is_replaced(host: Host, tmp_path: Path) -> None:
    foo = tmp_path / "opt" / "foo"
    foo.mkdir(parents=True)
    shutil.copy("/bin/sleep", foo / "program")
    host.watch(foo)
    host.push()
    with open(foo / "program", "ab") as stream:
        stream.write(b"changed")
    process = subprocess.Popen([foo / "program", "60"])
    try:
        host.rebuild()
        assert (foo / "program").read_bytes() == Path("/bin/sleep").read_bytes()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
