"""What ssh_config says where there is no ssh: what paramiko's reader would take wrongly is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.errors import ConfigError
from pacha.wire.ssh import Endpoint, resolve


@pytest.fixture(autouse=True)
def no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def find(folder: Path, text: str) -> Endpoint:
    config = folder / "config"
    config.write_text(text)
    return resolve("master", user=None, port=None, key=None, known_hosts=None, ssh_config=config)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Include more\n", "line 1: Include more"),
        ("Host other\n User x\nHost mas*\n Port 3\n include=more\n", "line 5: Include more"),
        ("Match all\n Include more\n", "line 2: Include more"),
        ("Match localnetwork 10.0.0.0/8\n ProxyJump there\n", "line 1: Match localnetwork 10.0.0.0/8"),
        ("User x\nMatch host master !tagged x\n Port 3\n", "line 2: Match host master !tagged x"),
        ("Match sessiontype shell\n IdentityFile x\n", "line 1: Match sessiontype shell"),
        ("Match version x originalhost other,m*\n User x\n", "line 1: Match version x originalhost other,m*"),
    ],
)
def test_what_may_concern_the_host_is_refused(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find(tmp_path, text)
    assert line in caught.value.why and "openssh-client" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "Host other\n Include more\n",
        "Match tagged x\n ForwardAgent yes\n",
        "Match localnetwork 10.0.0.0/8 originalhost other\n ProxyJump there\n",
        "Match final all\n ForwardAgent yes\n",
        "# Include more\n",
    ],
)
def test_what_does_not_is_left_out(tmp_path: Path, text: str) -> None:
    found = find(tmp_path, f"Port 2222\n{text}Host master\n User right\n")
    assert (found.port, found.user, found.proxy_jump) == (2222, "right", None)


def test_what_it_does_understand(tmp_path: Path) -> None:
    text = "Host master\n HostName 192.0.2.7\n ProxyCommand run %h %p\n IdentitiesOnly yes\nMatch user x\n User y\n"
    found = find(tmp_path, text)
    assert (found.host, found.user, found.proxy_command) == ("192.0.2.7", "root", "run 192.0.2.7 22")
    assert found.only_these_keys
