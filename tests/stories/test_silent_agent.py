"""An agent that never answers does not stop a push, and -v says that it was left alone."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.stage import Host


def test_a_push_goes_on(bar: Host, tmp_path: Path) -> None:
    (bar.home / ".ssh").mkdir(mode=0o700)
    key = Path(bar.settings.get("pacha.ssh.key") or bar.stage.server.key)
    (bar.home / ".ssh" / "id_ed25519").write_bytes(key.read_bytes())
    (bar.home / ".ssh" / "id_ed25519").chmod(0o600)
    bar.configure(ssh_key="")
    bar.watch(bar.home)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent"))
        listener.listen(5)
        done = bar.pacha("-v", "push", SSH_AUTH_SOCK=str(tmp_path / "silent")).must()
    assert "did not answer within 3 seconds" in done.err
