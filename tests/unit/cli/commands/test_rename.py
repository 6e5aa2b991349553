"""rename shows what it will do, asks, and says what the host must do."""

from __future__ import annotations

from tests.support.away import Master, master_of_this_user  # noqa: F401  (a fixture)
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_shown_asked_done_and_undone(shell: Shell, master: Master) -> None:
    shell.bar.push()
    assert "hosts/baz" in shell.run("rename", "bar", "baz", "--dry-run")
    shell.run("rename", "bar", "baz", code=1)
    assert shell.bar.master.exists()
    out = shell.run("rename", "bar", "baz", "--yes")
    assert "pacha.hostname = baz" in out and "pacha push --take-over" in out and "pacha rename baz bar" in out
    assert not shell.bar.master.exists()
    shell.run("rename", "bar", "baz", "--yes", code=1)
    shell.run("rename", "baz", "../x", "--yes", code=2)
    shell.run("rename", "baz", "bar", "--yes")
    assert shell.bar.master.exists()
