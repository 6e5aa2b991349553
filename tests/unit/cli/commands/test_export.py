"""export: an archive on standard output, of a path or of everything."""

from __future__ import annotations

import io
import tarfile

from pacha.cli.exit_code import run_command
from tests.support.fleet import (  # noqa: F401  (fixtures)
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)


def archive(master: MasterShell, *words: str) -> tarfile.TarFile:
    master.capture.readouterr()
    assert run_command(["export", *words]) == 0
    return tarfile.open(fileobj=io.BytesIO(master.capture.readouterr().out))


def test_everything_and_a_part(master: MasterShell) -> None:
    tree = str(master.hosts.tree)[1:]
    names = archive(master, "web1").getnames()
    assert names == [tree, *(f"{tree}/{name}" for name in ("motd", "nginx.conf", "ssh", "ssh/sshd_config"))]
    part = archive(master, "web1", "--path", f"/{tree}/ssh")
    assert part.getnames() == [f"{tree}/ssh", f"{tree}/ssh/sshd_config"]
    file = part.extractfile(f"{tree}/ssh/sshd_config")
    assert file is not None and file.read() == b"Port 22\nPermitRootLogin no\n"
    master.run("export", "none", code=1)
