"""hosts shows every host, or those that are late, in three forms."""

from __future__ import annotations

import json

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.fleet import MasterShell, hosts_as_pushed, loaded, master_shell, three_hosts  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_forms(shell: Shell) -> None:
    shell.bar.push()
    assert "bar" in shell.run("hosts")
    assert [host["host"] for host in json.loads(shell.run("hosts", "--json"))] == ["bar"]
    assert 'host="bar"' in shell.run("hosts", "--prometheus")
    assert shell.run("-q", "hosts") == ""


def test_one_that_never_pushed_is_a_concern(shell: Shell) -> None:
    shell.bar.push()
    (shell.bar.top / "hosts" / "foo").mkdir()
    assert "foo" in shell.run("hosts", code=3)
    out, err = shell.both("-q", "hosts", code=3)
    assert out == "" and "foo" in err and "bar" not in err


def test_drift_for_prometheus(shell: Shell) -> None:
    shell.bar.push()
    out = shell.run("hosts", "--prometheus", "--drift", "/none")
    assert 'pacha_drift_paths{path="/none"} 0' in out and 'pacha_host_purges{host="bar"} 0' in out
    shell.run("hosts", "--drift", "/none", code=2)
    shell.run("hosts", "--prometheus", "--drift", "etc", code=2)


def test_no_series_comes_twice(shell: Shell) -> None:
    """The collector throws away all of a file in which one does."""
    shell.bar.push()
    out = shell.run("hosts", "--prometheus", "--drift", "/none", "--drift", "/none/", "--drift", "/x/../none")
    series = [line.rpartition(" ")[0] for line in out.splitlines() if not line.startswith("#")]
    assert len(set(series)) == len(series) and 'pacha_drift_hosts{path="/none"}' in series


def test_drift_says_that_a_host_is_not_in_it(master: MasterShell) -> None:
    words = ["hosts", "--prometheus", "--drift", master.hosts.tree]
    assert "pacha_drift_unread_hosts 0\n" in master.run(*words)
    (master.hosts.top / "hosts/db1/db/.hg/store/00changelog.i").write_bytes(b"damaged" * 20)
    out, err = master.both(*words, code=3)
    assert "pacha_drift_unread_hosts 1\n" in out and "db1: " in err
    assert master.both("-q", *words, code=3) == (out, "")
    assert "unread" not in master.run("hosts", "--prometheus")
