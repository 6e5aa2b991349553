"""purge shows what it will erase, asks, and says what it did."""

from __future__ import annotations

import os
import time

import pytest

from pacha.server import purge_clock
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def came_and_went(shell: Shell) -> str:
    for text in ("SECRET\n", "none\n"):
        (shell.bar.tree / "one").write_text(text)
        shell.bar.push()
    return str(shell.bar.tree / "one")


def test_it_is_shown_and_done(shell: Shell) -> None:
    path = came_and_went(shell)
    out, err = shell.both("purge", "bar", path, "--dry-run")
    assert f"{path}: 1 content, 7 bytes" in out and "in the newest snapshot stays" in err
    assert not (shell.bar.master / ".purged").exists()
    assert "Erased 1 file revision" in shell.run("purge", "bar", path, "--yes", "-m", "oops", code=3)


def test_without_an_answer_nothing_is_done(shell: Shell) -> None:
    path = came_and_went(shell)
    shell.run("purge", "bar", path, code=1)
    assert not (shell.bar.master / ".purged").exists()


def test_there_may_be_nothing_to_erase(shell: Shell) -> None:
    path = came_and_went(shell)
    for unknown in ("/etc/none", path + "x"):  # a name mistyped is not a secret gone
        out, err = shell.both("purge", "bar", unknown, "--yes", code=3)
        assert "nothing was purged" in out and f"{unknown}: no snapshot of 'bar' ever had a file there" in err
    assert "nothing was purged" in shell.run("purge", "bar", path, "--older-than", "1d", "--yes")
    shell.run("purge", "bar", path, "--older-than", "soon", code=2)
    shell.run("purge", "bar", code=2)
    shell.run("purge", "none", path, code=1)


def test_what_has_no_content_any_more_is_recorded(shell: Shell) -> None:
    """As where a master that was set back took the history so from its host, and lost its record."""
    path, record = came_and_went(shell), shell.bar.master / ".purged"
    limits = ("--before", shell.run("log").partition(" ")[0])
    shell.run("purge", "bar", path, *limits, "--yes")
    before = record.read_text()
    record.unlink()
    out = shell.run("purge", "bar", path, *limits)
    assert "that is recorded" in out and "Erased 0 file revisions" in out
    assert record.read_text().partition('"places"')[2] == before.partition('"places"')[2]
    assert "nothing was purged" in shell.run("purge", "bar", path, *limits)


def configure(shell: Shell, **keys: str) -> None:
    with open(shell.bar.top / "pacha.conf", "a") as file:
        file.writelines(f"pacha.{key.replace('_', '.')} = {text}\n" for key, text in keys.items())


def test_all_hosts_by_the_configured_age(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    came_and_went(shell)
    (shell.bar.top / "hosts" / "new").mkdir(mode=0o700)
    assert "pacha.keep is not set" in shell.both("purge", "--all", "--yes", code=10)[1]
    configure(shell, keep="1d", keep_monthly="1")
    assert shell.both("-q", "purge", "--all", "--yes") == ("", "")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 70 * 86400)
    out = shell.run("purge", "--all", "--dry-run")
    assert out.splitlines()[0] == "bar:" and "/one: 1 content, 7 bytes" in out
    assert "may have leapt ahead" in shell.both("purge", "--all", "--yes", code=1)[1]
    (shell.bar.top / "hosts" / ".pacha" / "purged-all").unlink()
    assert "may have leapt ahead" in shell.both("purge", "--all", "--yes", code=1)[1]
    purge_clock.note(os.fsencode(shell.bar.top / "hosts"), time.time())
    assert "bar: Erased 1 file revision" in shell.run("purge", "--all", "--yes")
    assert shell.both("purge", "--all", "--yes") == ("", "")
    assert '"--older-than 1d --keep-monthly 1"' in (shell.bar.master / ".purged").read_text()


def test_a_path_is_purged_whole_whatever_age_is_configured(shell: Shell) -> None:
    path = came_and_went(shell)
    configure(shell, keep="2y")
    assert "nothing was purged" in shell.run("purge", "bar", "--yes")
    assert "Erased 1 file revision" in shell.run("purge", "bar", path, "--yes", code=3)


def test_a_host_that_fails_stops_no_other(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    came_and_went(shell)
    (shell.bar.top / "hosts" / "aaa").symlink_to(shell.bar.master)
    configure(shell, keep="1d")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 70 * 86400)
    purge_clock.note(os.fsencode(shell.bar.top / "hosts"), time.time())
    out, err = shell.both("purge", "--all", "--yes", code=1)
    assert "The old contents of 'aaa' were not purged" in err and "bar: Erased 1 file revision" in out


def test_what_does_not_go_with_all_hosts(shell: Shell) -> None:
    configure(shell, keep="1d")
    for words in (["bar"], ["--before", "2026-01-01"], ["--at", "1234"], ["--also-newest"], ["--record"]):
        shell.run("purge", "--all", "--yes", *words, code=2)
    shell.run("purge", "--yes", code=2)
