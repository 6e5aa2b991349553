"""What ssh_config says, as ssh itself understands it."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from pacha.errors import ConfigError
from pacha.wire.ssh import Endpoint, resolve, settings


@pytest.fixture(autouse=True)
def needs_ssh() -> None:
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh")


def find(config: Path, text: str, host: str = "master", **given: str | int) -> Endpoint:
    config.write_text(text)
    values: dict[str, object] = {"user": None, "port": None, "key": None, "known_hosts": None, **given}
    return resolve(host, ssh_config=config, **values)  # type: ignore[arg-type]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("PACHA_SSH", f"{tmp_path}/.ssh")
    return tmp_path / ".ssh" / "config"


def test_an_include(config: Path) -> None:
    (config.parent / "more").write_text("HostName 192.0.2.7\nPort 2222\n")
    found = find(config, f"Host master\n Include {config.parent}/mo*\n")
    assert (found.host, found.port) == ("192.0.2.7", 2222)
    assert find(config, f"Host other\n Include {config.parent}/mo*\n").host == "master"


def test_a_match_looks_at_what_pacha_asks_for(config: Path) -> None:
    text = "Match user jill\n HostName for-jill\nMatch final host for-*\n ProxyJump between\n"
    assert find(config, text, user="jack").host == "master"
    jill = find(config, text, user="jill")
    assert jill.host == "for-jill"
    assert jill.proxy_jump and jill.proxy_jump.host == "between"


def test_a_match_that_ssh_does_not_know(config: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find(config, "Match nonsense x\n ForwardAgent yes\n")
    assert caught.value.code == "ssh-config-unreadable"
    assert "line 1" in caught.value.why and caught.value.why.isprintable()


def test_tokens_and_variables(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "/keys")
    text = (
        "Host master\n HostName %h.example.com\n User jill\n Port 2200\n HostKeyAlias known\n"
        " IdentityFile ${PLACE}/%h-%n-%p-%r-%k-%i-%%\n CertificateFile %d/%u-%L\n ProxyCommand run %h %p %r $x ${y}\n"
    )
    found = find(config, text)
    own = os.path.expanduser("~root")
    assert found.key_files == ("/keys/master.example.com-master-2200-jill-known-0-%",)
    assert found.certificates == (f"{own}/root-{socket.gethostname().partition('.')[0]}",)
    assert found.proxy_command == "run master.example.com 2200 jill $x ${y}"


@pytest.mark.parametrize("name", ["%C", "%Q", "${NO_SUCH_VARIABLE}", "x%"])
def test_a_token_that_is_not_known(config: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        find(config, f"IdentityFile {name}\n")


def test_which_keys_are_named(config: Path) -> None:
    usual = find(config, "Host master\n User x\n")
    assert not usual.named_keys and f"{config.parent}/id_ed25519" in usual.key_files
    named = find(config, "IdentityFile ~/.ssh/id_ed25519\n")
    assert named.named_keys and named.key_files == (f"{config.parent}/id_ed25519",)
    assert not find(config, "IdentityFile none\n").key_files


def test_the_agent(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "/run/other")
    for word, path in (("none", ""), ("SSH_AUTH_SOCK", None), ("$OTHER", "/run/other"), ("/run/a", "/run/a")):
        assert find(config, f"IdentityAgent {word}\n").agent == path
    assert find(config, "Host x\n").agent is None


def test_known_hosts_of_all(config: Path) -> None:
    found = find(config, "UserKnownHostsFile /a /b\nGlobalKnownHostsFile /c\n")
    assert found.known_hosts == ("/a", "/b", "/c")
    assert find(config, "UserKnownHostsFile none\nGlobalKnownHostsFile none\n").known_hosts == ()


def test_the_first_server_to_jump_through_has_a_proxy_command(config: Path) -> None:
    found = find(config, "Host master\n ProxyJump one,two\nHost one two\n ProxyCommand run %h\n").proxy_jump
    assert found and found.proxy_command is None
    assert found.proxy_jump and found.proxy_jump.proxy_command == "run one"


def test_it_is_asked_once(config: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    text = f'Match exec "echo x >> {asked}"\n User jill\n'
    find(config, text)
    count = len(asked.read_text())
    stamp = config.stat()
    find(config, text)
    os.utime(config, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    before = len(asked.read_text())
    for _ in range(3):
        resolve("master", user=None, port=None, key=None, known_hosts=None, ssh_config=config)
    assert len(asked.read_text()) - before <= count


def test_no_file_asks_nobody(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/no/such/place")
    monkeypatch.setattr(settings, "read_output", None)
    given = {"user": "x", "port": 1, "key": None, "known_hosts": None}
    assert resolve("master", ssh_config=config, **given).host == "master"  # type: ignore[arg-type]


def test_one_that_does_not_end(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_SECONDS", 0.3)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        find(config, 'Match exec "sleep 600"\n User x\n')
    assert "did not end" in caught.value.why


def test_a_special_file(config: Path) -> None:
    os.mkfifo(config)
    with pytest.raises(ConfigError, match="not to be trusted"):
        resolve("master", user=None, port=None, key=None, known_hosts=None, ssh_config=config)
    config.unlink()
    config.symlink_to("/dev/null")
    assert resolve("master", user=None, port=None, key=None, known_hosts=None, ssh_config=config).port == 22
