"""Parts and other moments of a host, its log over SSH, its state folder lost: through a real sshd."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pacha.restore.journal import Journal
from pacha.restore.journal_records import Root
from tests.support.sshd import account
from tests.support.stage import PACHA, Done, Host, Stage, changed, copy, differences, own, picture, said

pytestmark = pytest.mark.usefixtures("as_root")


def plant(bar: Host) -> Path:
    """``opt/foo`` and ``etc`` below the stage, watched and pushed."""
    top = bar.stage.folder / "tree"
    for name in ("opt/foo/conf.d", "opt/foo/data", "etc"):
        (top / name).mkdir(parents=True)
    for name in ("opt/foo/app", "opt/foo/conf.d/one", "opt/foo/conf.d/two", "opt/foo/data/x", "etc/hosts"):
        (top / name).write_text(f"first {name}\n")
    (top / "opt/foo/conf.d").chmod(0o750)
    bar.watch(top / "opt/foo", top / "etc")
    bar.push("-m", "the first")
    return top


def ids(host: Host, *arguments: str) -> list[str]:
    """The snapshots that log lists, oldest first."""
    return [one["id"] for one in json.loads(host.pacha("log", "--json", *arguments).must().out)][::-1]


def test_a_part_comes_back_and_nothing_beside_it_changes(bar: Host) -> None:
    top = plant(bar)
    kept, first = copy(top, bar.folder / "kept"), ids(bar)[0]
    for path in ("opt/foo/app", "opt/foo/conf.d/one", "etc/hosts"):
        (top / path).write_text("second\n")
    (top / "opt/foo/conf.d/new").write_text("new\n")
    (top / "opt/foo/data/new").write_text("new\n")
    bar.push()
    before = picture(top)
    bar.rebuild("--at", first, "--path", top / "opt/foo/conf.d", "--delete")
    assert differences(top / "opt/foo/conf.d", kept / "opt/foo/conf.d") == ""
    touched = {path for path, _, _ in changed(before, picture(top)) if b".pacha-kept" not in path}
    inside = {b"opt/foo/conf.d", b"opt/foo/conf.d/one", b"opt/foo/conf.d/new"}
    assert touched - {b"opt"} == inside  # beside the watched folder is what was displaced
    bar.pacha("undo").must()
    assert changed(before, picture(top)) == []
    bar.rebuild("--at", first, "--directory", "etc", "--directory", "foo", "--delete")
    assert differences(top / "etc", kept / "etc") + differences(top / "opt/foo", kept / "opt/foo") == ""


def test_a_rollback_needs_no_master(bar: Host) -> None:
    top = plant(bar)
    first = ids(bar)[0]
    (top / "etc/hosts").write_text("broken\n")
    bar.push()
    bar.configure(ssh_port="1")
    done = bar.rebuild("--path", top / "etc/hosts", "--at", first)
    assert "Own history:" in done.out and "SSH" not in done.out and "all checked" not in done.err
    assert (top / "etc/hosts").read_text() == "first etc/hosts\n"
    (top / "etc/hosts").unlink()
    bar.rebuild("--path", top / "etc/hosts")
    assert (top / "etc/hosts").read_text() == "broken\n"
    bar.rebuild(code=11)


def test_where_the_own_history_is_damaged_a_named_master_gives_it(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    for index in (bar.state / "repos/etc/.hg/store/data").iterdir():
        index.write_bytes(index.read_bytes()[:-1] + b"\xff")
    (top / "etc/hosts").unlink()
    part = ("--path", top / "etc/hosts")
    said(bar.pacha("rebuild", "bar", "--yes", *part).must(13), "'--from MASTER' takes it from there.")
    done = bar.rebuild(*part, "--from", stage.settings()["pacha.host"])
    assert "Own history:" not in done.out and (top / "etc/hosts").read_text() == "first etc/hosts\n"


def test_where_the_list_of_snapshots_is_damaged_nothing_is_said_of_older_ones(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("second\n")
    bar.push()
    with open(stage.hosts / "bar/db/.hg/store/00changelog.i", "r+b") as index:
        index.seek(3)  # the version of its format (hg help internals.revlogs)
        index.write(b"\x7f")
    done = bar.pacha("rebuild", "bar", "--yes").must(13)
    assert "damaged" in done.err and "No older snapshot" not in done.err


def test_parents_are_left_as_they_are_or_made_as_they_were(bar: Host) -> None:
    top = plant(bar)
    (top / "opt/foo").chmod(0o711)
    bar.rebuild("--path", top / "opt/foo/conf.d/one")
    assert (top / "opt/foo").stat().st_mode & 0o777 == 0o711
    shutil.rmtree(top / "opt/foo")
    bar.rebuild("--path", top / "opt/foo/conf.d/one")
    assert [p.name for p in sorted((top / "opt/foo").rglob("*"))] == ["conf.d", "one"]
    assert (top / "opt/foo/conf.d").stat().st_mode & 0o777 == 0o750


def test_a_link_in_the_place_of_a_parent_is_not_followed(bar: Host) -> None:
    top = plant(bar)
    elsewhere = bar.folder / "elsewhere"
    (top / "opt/foo/conf.d").rename(elsewhere)
    (top / "opt/foo/conf.d").symlink_to(elsewhere)
    (elsewhere / "one").write_text("not ours\n")
    bar.rebuild("--path", top / "opt/foo/conf.d/one", code=3)
    assert (elsewhere / "one").read_text() == "not ours\n"
    assert (top / "opt/foo/conf.d").is_symlink()


def test_what_is_excluded_is_not_moved_aside_with_a_part(bar: Host) -> None:
    bar.configure(exclude="conf.d/cache *.tmp")
    top = plant(bar)
    (top / "opt/foo/conf.d/cache").mkdir()
    (top / "opt/foo/conf.d/cache/x").write_text("kept out\n")
    (top / "opt/foo/conf.d/a.tmp").write_text("kept out\n")
    bar.rebuild("--path", top / "opt/foo/conf.d", "--delete")
    bar.rebuild("--path", top / "opt/foo/conf.d/cache", "--delete")
    assert (top / "opt/foo/conf.d/cache/x").exists() and (top / "opt/foo/conf.d/a.tmp").exists()


def test_a_path_that_was_not_there_is_refused_or_moved_aside(bar: Host) -> None:
    top = plant(bar)
    (top / "etc/new").write_text("x")
    (top / "etc/other").write_text("x")
    said(bar.pacha("rebuild", "bar", "--yes", "--path", top / "etc/new").must(2), "not in that snapshot", "--delete")
    bar.rebuild("--path", top / "etc/new", "--delete")
    assert not (top / "etc/new").exists() and (top / "etc/other").exists()


def test_a_part_or_another_moment_is_never_the_host(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    first = ids(bar)[0]
    (top / "etc/hosts").write_text("second\n")
    bar.push()
    fresh = stage.host("bar", machine="fresh", added=False)
    shutil.rmtree(top)
    fresh.rebuild("--path", top / "etc")
    fresh.rebuild("--directory", "foo")
    fresh.rebuild("--at", first)
    assert (top / "etc/hosts").read_text() == "first etc/hosts\n"
    assert "hostname" not in fresh.memory and not (fresh.state / "pacha.db").exists()
    fresh.rebuild()
    assert fresh.memory["hostname"] == "bar"


def test_a_part_does_not_finish_what_a_killed_rebuild_of_more_began(bar: Host) -> None:
    top = plant(bar)
    journal = Journal.begin(os.fsencode(bar.state), "bar")
    journal.write(Root(os.fsencode(top / "opt/foo")), Root(os.fsencode(top / "etc")))
    journal.sync()
    journal.close()
    said(bar.push(code=1), "not finished")
    bar.rebuild("--path", top / "etc/hosts")
    said(bar.push(code=1), "not finished")
    bar.rebuild("--path", top, code=0)
    bar.push()


def test_a_part_settles_what_is_owed_of_it(bar: Host) -> None:
    name = own("owing")
    top = plant(bar)
    with account(name) as made:
        os.chown(top / "etc/hosts", made.uid, made.uid)
        os.chown(top / "opt/foo/app", made.uid, made.uid)
        bar.push()
    (top / "etc/hosts").unlink()
    (top / "opt/foo/app").unlink()
    bar.rebuild(code=3)
    assert len(bar.memory["owed"]) == 2  # type: ignore[arg-type]
    with account(name) as made:
        bar.rebuild("--path", top / "etc/hosts")
        assert list(bar.memory["owed"]) == [os.fsencode(top / "opt/foo/app").hex()]  # type: ignore[call-overload]
        assert (top / "etc/hosts").stat().st_uid == made.uid
        bar.push(code=3)
        (top / "etc/hosts").unlink()
    bar.rebuild("--path", top / "etc/hosts", code=3)
    assert len(bar.memory["owed"]) == 2  # type: ignore[arg-type]


def test_a_moment_is_chosen_on_the_master_too(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    time.sleep(1.1)
    between = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - 1))
    (top / "etc/hosts").write_text("second\n")
    bar.push()
    other = stage.host("other", added=False)
    target = other.folder / "t"
    said(other.pacha("rebuild", "bar", "--yes", "--at", "2001-01-01").must(2), "2001-01-01", ids(bar)[0][:12])
    other.pacha("rebuild", "bar", "--yes", "--at", between, "--target", target).must()
    assert (target / str(top)[1:] / "etc/hosts").read_text() == "first etc/hosts\n"


def far_away(host: Host, *arguments: str | Path) -> Done:
    """Run pacha where the master's folder is not to be seen: only SSH leads there."""
    hide = 'mount -t tmpfs none "$0" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", hide, host.stage.hosts, PACHA, *arguments]
    done = subprocess.run(command, env=host.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


def test_log_diff_and_cat_are_the_same_from_here_from_elsewhere_and_on_the_master(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("second\n")
    bar.push("-m", "why")
    first, second = ids(bar)
    other = stage.host("other", added=False)
    listed, differing = bar.pacha("log", "--json").out, bar.pacha("diff", first, second).out
    assert "-first etc/hosts\n+second\n" in differing
    for run in (far_away, Host.pacha):
        assert run(other, "log", "bar", "--json").must().out == listed
        assert [one["id"] for one in json.loads(run(other, "log", "bar", "--json", top / "etc").out)] == [second, first]
        assert [one["id"] for one in json.loads(run(other, "log", "bar", "--json", top / "opt/foo/app").out)] == [first]
        assert run(other, "diff", "--host", "bar", first, second).out == differing
        assert run(other, "diff", "--host", "bar").out == differing
        assert run(other, "cat", "--host", "bar", top / "etc/hosts", "--at", first).must().out == "first etc/hosts\n"
        assert run(other, "cat", "--host", "bar", top / "etc/hosts").must().out == "second\n"
        said(run(other, "log", "nobody").must(1), "no history of 'nobody'")
        assert os.listdir(other.temporary) == []
    said(other.pacha("log").must(1), "no history here")


def test_the_log_of_a_path_shows_when_a_line_came_in(bar: Host) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("second\n")
    (top / "opt/foo/app").write_text("beside\n")
    bar.push("-m", "because")
    done = bar.pacha("log", "-p", top / "etc/hosts")
    assert done.code == 0, done.err
    shown = done.out
    newest, _, older = shown.partition("\n\n")
    assert "because" in newest.splitlines()[0] and "+second" in newest and "-first etc/hosts" in newest
    assert "+first etc/hosts" in older and "beside" not in shown


def test_a_path_that_no_snapshot_touched_is_said_to_be_none(bar: Host) -> None:
    plant(bar)
    done = bar.pacha("log", "/nowhere/at/all").must()
    assert done.out == "" and done.err == "pacha: no snapshot touched /nowhere/at/all\n"
    assert json.loads(bar.pacha("log", "--json", "/nowhere/at/all").must().out) == []


def test_a_lost_state_folder_comes_back_and_pushes_go_on(bar: Host) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("second\n")
    bar.push()
    history = ids(bar)
    (top / "etc/hosts").write_text("third\n")
    before = picture(top)
    said(bar.pacha("restore-db", "bar").must(1), "history of 'bar' here already", "mv ")
    bar.forget()
    bar.pacha("restore-db", "bar").must()
    assert changed(before, picture(top)) == []
    assert "+third" in bar.pacha("diff").out
    bar.push()
    assert ids(bar)[:2] == history and len(ids(bar)) == 3
    bar.pacha("verify").must()
    bar.verify_master()
    (bar.state / "pacha.db").rename(bar.state / "old")
    bar.pacha("restore-db", "bar").must()
    bar.push()


def test_restore_db_takes_no_other_hosts_place(stage: Stage, bar: Host) -> None:
    plant(bar)
    other = stage.host("other")
    (stage.folder / "o").mkdir()
    (stage.folder / "o/x").write_text("x")
    other.watch(stage.folder / "o")
    said(other.pacha("restore-db", "other").must(1), "no history of 'other'")
    other.push()
    state = {path: path.read_bytes() for path in other.state.rglob("*") if path.is_file() and path.name != "lock"}
    said(other.pacha("restore-db", "bar").must(10), "pacha.hostname")
    said(other.pacha("restore-db", "other").must(1), "history of 'other'")
    (other.state / "pacha.db").unlink()
    other.settings["pacha.hostname"] = "bar"
    other.configure()
    said(other.pacha("restore-db", "bar").must(1), "another history")
    now = {path: path.read_bytes() for path in other.state.rglob("*") if path.is_file() and path.name != "lock"}
    assert {k: v for k, v in state.items() if k.name not in ("pacha.db", "memory.json")} == {
        k: v for k, v in now.items() if k.name != "memory.json"
    }


def test_pushes_go_on_after_a_rebuild_of_a_host_that_had_stopped_watching_something(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    bar.pacha("unwatch", top / "etc").must()
    (top / "opt/foo/app").write_text("second\n")
    bar.push()
    bar.forget()
    bar.rebuild()
    (top / "opt/foo/app").write_text("third\n")
    bar.push()
    bar.watch(top / "etc")
    bar.push()
    bar.verify_master()
    assert "+third" in bar.pacha("diff", "-c", ids(bar)[2]).out


def test_a_snapshot_tells_who_pushed_it_and_why(bar: Host) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("second\n")
    bar.pacha("push", "-m", os.fsdecode(b"why \xff \x1b[31m\nsecond line"), SUDO_USER="al\nice").must()
    one = json.loads(bar.pacha("log", "--json", "-n", "1").must().out)[0]
    assert one["user"].startswith("al\\x0aice@")
    assert one["message"] == "why \\xff \\x1b[31m\nsecond line"
    assert "why \\xff \\x1b[31m" in bar.pacha("log").must().out


def test_plain_mercurial_reads_what_is_on_the_master(stage: Stage, bar: Host) -> None:
    top = plant(bar)
    (top / "opt/foo/app").write_text("first opt/foo/app\nsecond\n")
    bar.push("-m", "an edit")
    options = f"-p {stage.server.port} -i {stage.server.key} -o UserKnownHostsFile={stage.server.known_hosts}"
    environment = {"PATH": "/usr/bin:/bin", "HGRCPATH": "", "HOME": str(bar.home), "LANG": "C"}

    def hg(*arguments: str) -> str:
        command = ["hg", "--config", f"ui.ssh=ssh {options}", "-R", str(bar.folder / "clone"), *arguments]
        where = bar.folder / "clone"
        return subprocess.run(command, env=environment, cwd=where, check=True, capture_output=True, text=True).stdout

    url = f"ssh://{stage.account.name}@{stage.server.address}/{stage.hosts}/bar/foo"
    subprocess.run(
        ["hg", "clone", "-q", "-e", f"ssh {options}", url, bar.folder / "clone"], env=environment, check=True
    )
    assert (bar.folder / "clone/app").read_text() == (top / "opt/foo/app").read_text()
    log = hg("log", "-p")
    assert "an edit" in log and "+second" in log and f"bar: {top}/opt/foo" in hg("log", "-v")
    assert re.search(r"^1: second$", hg("annotate", "app"), re.MULTILINE)
    assert "M " + str(top / "opt/foo/app") in hg("log", "-R", str(stage.hosts / "bar/db"), "-p", "-r", "tip",
                                                "--config", "trusted.users=*")  # fmt: skip


def test_output_that_is_cut_short_is_no_fault(bar: Host) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("x\n" * 100_000)
    bar.push()
    for command in ("log", f"diff -c {ids(bar)[1]}", f"cat {top}/etc/hosts"):
        done = subprocess.run(
            f"{PACHA} {command} | head -1", shell=True, env=bar.environment(), capture_output=True, text=True
        )
        assert done.stderr == "" and len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("quiet", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_gets_a_pager_and_colour_and_no_control_character(bar: Host, quiet: dict[str, str]) -> None:
    top = plant(bar)
    (top / "etc/hosts").write_text("\x1b]0;title\x07 \x9b31m\ttab\n")
    more = {"TERM": "xterm", "PACHA_PAGER": "sed s/^/paged:/", **quiet}
    done = subprocess.run(
        ["script", "-qec", f"{PACHA} diff", "/dev/null"], env=bar.environment(**more), capture_output=True, check=True
    )
    out = done.stdout.decode()
    assert "paged:" in out and "\\x1b]0;title\\x07 \\u009b31m\ttab" in out
    assert ("\x1b[32m" in out) == (not quiet)
    assert "\x07" not in out and "\x1b]" not in out and "\x9b" not in out
    piped = bar.pacha("diff").out
    assert "\x1b]0;title\x07" in piped and "\x1b[3" not in piped


def test_hgweb_shows_every_host_and_takes_nothing(stage: Stage, bar: Host) -> None:
    plant(bar)
    (stage.folder / "web.conf").write_text(f"[paths]\n/ = {stage.hosts}/**\n")
    environment = {"PATH": "/usr/bin:/bin", "HGRCPATH": "", "HGRCSKIPREPO": "1", "LANG": "C"}
    command = ["hg", "serve", "--web-conf", stage.folder / "web.conf", "--address", "127.0.0.1", "--port", "0"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = re.search(r":(\d+)/", server.stdout.readline())
        assert port is not None
        base = f"http://127.0.0.1:{port[1]}/bar"

        def page(path: str, data: bytes | None = None) -> str:
            with urllib.request.urlopen(base + path, data, timeout=30) as answer:
                return str(answer.read().decode())

        assert "the first" in page("/foo/log")
        assert "first opt/foo/conf.d/one" in page("/foo/file/tip/conf.d/one")
        assert "the first" in page("/db/log")
        with pytest.raises(urllib.error.HTTPError):
            page("/foo?cmd=unbundle&heads=", b"HG10UN")
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


@pytest.mark.parametrize("planted", ["fifo", "link"])
def test_what_a_hosts_account_plants_on_the_master_does_not_lead_its_root_astray(
    stage: Stage, bar: Host, planted: str
) -> None:
    plant(bar)
    store = stage.hosts / "bar/db/.hg/store"
    (stage.hosts / "bar/db/.hg/hgrc").write_text("[hooks]\npost-log = touch /tmp/pwned\n")
    other = stage.host("other", added=False)
    assert len(ids(other, "bar")) == 1
    if planted == "fifo":
        os.mkfifo(store / "00changelog.fifo")
    else:
        (store / "00changelog.link").symlink_to("/etc/shadow")
    done = other.pacha("log", "bar").must(13)
    assert "not a plain file" in done.err and os.listdir(other.temporary) == []
