"""add-host makes the folder of a host, and prints the line that lets its key in."""

from __future__ import annotations

import stat

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.sshd import make_key
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_a_folder_for_its_account_alone(shell: Shell) -> None:
    assert "is ready for 'foo'" in shell.run("add-host", "foo")
    assert stat.S_IMODE((shell.bar.top / "hosts" / "foo").stat().st_mode) == 0o700


def test_the_line_alone_is_for_programs(shell: Shell) -> None:
    key = make_key(shell.bar.top / "key")
    line = shell.run("-q", "add-host", "foo", "--key", f"{key}.pub", "--rebuild-only")
    assert line.startswith("restrict,command=") and " serve foo " in line and "--rebuild-only" in line
    assert shell.run("-q", "add-host", "foo") == ""


def test_what_excludes_each_other_is_refused(shell: Shell) -> None:
    key = make_key(shell.bar.top / "key")
    shell.run("add-host", "foo", "--key", f"{key}.pub", "--rebuild-only", "--push-only", code=2)


def test_many_at_once(shell: Shell) -> None:
    key = make_key(shell.bar.top / "key")
    hosts = shell.bar.top / "hosts.txt"
    hosts.write_text(f"foo {key.with_suffix('.pub').read_text()}\n# no key\nbaz\n")
    line = shell.run("-q", "add-host", "--from", hosts)
    assert line.startswith("restrict,command=") and " serve foo " in line
    assert (shell.bar.top / "hosts/baz").is_dir()
    hosts.write_text("foo\n../x\nfoo\n")
    shell.run("add-host", "--from", hosts, code=2)
    shell.run("add-host", "foo", "--from", hosts, code=2)
    shell.run("add-host", code=2)
