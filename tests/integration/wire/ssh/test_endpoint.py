"""What is connected to: Pacha's own values, and what ssh_config says."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from pacha.errors import ConfigError
from pacha.wire.ssh import Connection, Endpoint, resolve
from tests.support.sshd import Account, Sshd


class TestConfiguration:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PACHA_SSH", f"{tmp_path}/.ssh")
        return tmp_path

    def resolve(self, config: Path | None, host: str = "master", **given: str | int) -> Endpoint:
        values: dict[str, object] = {"user": None, "port": None, "key": None, "known_hosts": None, **given}
        return resolve(host, ssh_config=config, **values)  # type: ignore[arg-type]

    def test_without_anything(self, home: Path) -> None:
        found = self.resolve(None)
        assert (found.host, found.port, found.host_key_name) == ("master", 22, "master")
        assert found.user == "root"
        assert found.key_files == tuple(f"{home}/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
        assert found.known_hosts == (f"{home}/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
        assert found.label == "root@master"
        assert found == self.resolve(home / "no-such-config")

    def test_what_ssh_config_says_is_honoured(self, home: Path) -> None:
        config = home / "config"
        config.write_text(
            "Host master\n HostName 192.0.2.7\n Port 2222\n User bar_user\n IdentityFile ~/keys/one\n"
            " IdentityFile /keys/two\n UserKnownHostsFile ~/kh1 /kh2\n HostKeyAlias the-master\n"
            "Host *\n User nobody\n"
        )
        found = self.resolve(config)
        assert (found.host, found.port, found.user) == ("192.0.2.7", 2222, "bar_user")
        own = pwd.getpwuid(os.getuid()).pw_dir
        assert found.key_files == (f"{own}/keys/one", "/keys/two")
        assert found.known_hosts[:2] == (f"{own}/kh1", "/kh2")
        assert found.host_key_name == "the-master"

    def test_pacha_s_own_values_win(self, home: Path) -> None:
        config = home / "config"
        config.write_text("Host *\n Port 2222\n User x\n IdentityFile /k\n UserKnownHostsFile /kh\n")
        found = self.resolve(config, user="bar", port=22, key="~/.ssh/mine", known_hosts="/mine")
        assert (found.port, found.user, found.key_files) == (22, "bar", (f"{home}/.ssh/mine",))
        assert found.known_hosts[:2] == ("/mine", "/etc/ssh/ssh_known_hosts")
        assert found.only_these_keys

    def test_another_port_is_part_of_the_name(self) -> None:
        assert self.resolve(None, port=2222).host_key_name == "[master]:2222"

    def test_jumps(self, home: Path) -> None:
        config = home / "config"
        config.write_text(
            "Host master\n ProxyJump jack@one:2201,two\nHost two\n HostName two.example\n User jill\n"
            "Host off\n ProxyJump none\n"
        )
        second = self.resolve(config).proxy_jump
        assert second and (second.host, second.port, second.user) == ("two.example", 22, "jill")
        first = second.proxy_jump
        assert first and (first.host, first.port, first.user) == ("one", 2201, "jack")
        assert first.proxy_jump is None
        assert self.resolve(config, "off").proxy_jump is None

    @pytest.mark.parametrize(
        "host", ["", "-oProxyCommand=x", "a;b", "$(x)", "../x", "a b", "ü", "a\n", "x" * 300, "a/b", "a@b"]
    )
    def test_what_cannot_be_a_host(self, host: str) -> None:
        with pytest.raises(ConfigError) as caught:
            self.resolve(None, host)
        assert caught.value.why.isprintable()

    @pytest.mark.parametrize("host", ["master.example.com", "10.0.0.1", "::1", "fe80::1%eth0", "a_b-c"])
    def test_what_can(self, host: str) -> None:
        assert self.resolve(None, host).host == host

    @pytest.mark.parametrize("user", ["-x", "a;b", "a b", "$(x)", "a\n", "a/b", "`x`"])
    def test_what_cannot_be_a_user(self, user: str) -> None:
        with pytest.raises(ConfigError):
            self.resolve(None, user=user)

    def test_what_cannot_be_a_port(self, home: Path) -> None:
        (home / "config").write_text("Host *\n Port many\n")
        for port in (-1, 65536):
            with pytest.raises(ConfigError):
                self.resolve(None, port=port)
        with pytest.raises(ConfigError):
            self.resolve(home / "config")

    @pytest.mark.parametrize("line", ["HostName -oA=x", "User -x", "ProxyJump -oX=y", "ProxyJump a:b:c"])
    def test_ssh_config_is_checked_too(self, home: Path, line: str) -> None:
        (home / "config").write_text(f"Host master\n {line}\n")
        with pytest.raises(ConfigError):
            self.resolve(home / "config")

    @pytest.mark.parametrize("text", ["nonsense\n", "Match nonsense\n", "Host 'open\n"])
    def test_ssh_config_that_cannot_be_read(self, home: Path, text: str) -> None:
        (home / "config").write_text(text)
        with pytest.raises(ConfigError, match="cannot be read"):
            self.resolve(home / "config")

    def test_a_match_that_runs_a_command(self, home: Path) -> None:
        (home / "config").write_text("Match exec true\n User right\nMatch exec false\n User wrong\n")
        asked = (
            "import pathlib, sys; from pacha.wire import ssh; print(ssh.resolve('master', user=None, port=None,"
            "key=None, known_hosts=None, ssh_config=pathlib.Path(sys.argv[1])).user)"
        )
        command = [sys.executable, "-c", asked, str(home / "config")]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.stdout == "right\n", done.stderr

    def test_it_connects_by_an_alias(self, server: Sshd, bar: Account, home: Path) -> None:
        known = home / "kh"
        known.write_text(f"the-alias {server.public()}\n")
        config = home / "config"
        config.write_text(
            f"Host master\n HostName {server.address}\n Port {server.port}\n User {bar.name}\n"
            f" IdentityFile {server.key}\n UserKnownHostsFile {known}\n HostKeyAlias the-alias\n"
        )
        with Connection.open(self.resolve(config)) as connection:
            assert connection.run(["id", "-un"]).stdout.decode().strip() == bar.name
