"""What answers for the sh that runs small commands, through a real sshd."""

from __future__ import annotations

import pytest

from pacha.wire.ssh import Commands, RemoteShell, remote_shell
from tests.support.sshd import Account


def test_a_start_up_file_that_takes_too_long(
    connection: Commands, bar: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command has a channel of its own, and the connection goes on."""
    monkeypatch.setattr(remote_shell, "_GREETING", 0.3)
    script = bar.home / "sh"
    script.write_text("#!/bin/sh\nsleep 1\nexec /bin/sh\n")
    script.chmod(0o755)
    real = connection.stream
    monkeypatch.setattr(connection, "stream", lambda argv, **more: real([str(script)], **more))
    shell = RemoteShell(connection)
    assert [shell.run(["echo", word]).stdout for word in "ab"] == [b"a\n", b"b\n"]
