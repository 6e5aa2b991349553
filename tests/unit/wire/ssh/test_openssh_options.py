"""The command line of the system's ssh: what counts whatever the user's file says, and how paths are written."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.openssh_options import environment, master_command

ENDPOINT = Endpoint(
    host="192.0.2.7", port=2222, user="bar", key_files=("/k e%y",), known_hosts=("/a b", '/q"%h'), name="master",
    host_key_name="[192.0.2.7]:2222", only_these_keys=True, named_keys=True,
)  # fmt: skip


def command(endpoint: Endpoint) -> list[str]:
    return master_command("/usr/bin/ssh", endpoint, "/s", timeout=20, stall=30, lasts=60)


def test_what_ssh_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of ssh itself, with a file that says the opposite."""
    if not shutil.which("ssh"):
        pytest.skip("needs ssh")
    (tmp_path / "config").write_text(
        "Host *\n StrictHostKeyChecking no\n BatchMode no\n PasswordAuthentication yes\n ForwardAgent yes\n"
        " NoHostAuthenticationForLocalhost yes\n VerifyHostKeyDNS yes\n UserKnownHostsFile /other\n ProxyJump j\n"
        " GlobalKnownHostsFile /other\n RemoteCommand id\n LocalForward 1 h:1\n PermitLocalCommand yes\n"
    )
    monkeypatch.setenv("PACHA_SSH", str(tmp_path))
    words = [shutil.which("ssh") or "", "-G", *command(ENDPOINT)[1:]]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    expected = {
        "stricthostkeychecking true", "batchmode yes", "passwordauthentication no", "kbdinteractiveauthentication no",
        "nohostauthenticationforlocalhost no", "verifyhostkeydns false", "forwardagent no", "permitlocalcommand no",
        "hostname 192.0.2.7", "port 2222", "user bar", "identitiesonly yes", "updatehostkeys false", "requesttty false",
    }  # fmt: skip
    assert expected - set(said) == set()
    assert not [line for line in said if line.startswith(("proxycommand", "proxyjump", "localforward"))]
    assert [line for line in said if "knownhosts" in line.lower() and "/other" in line] == []


def test_signs_of_percent_are_no_tokens(tmp_path: Path) -> None:
    """A folder's name, and the interface of an address of IPv6; asked of ssh itself."""
    if not shutil.which("ssh"):
        pytest.skip("needs ssh")
    local = dataclasses.replace(ENDPOINT, host="fe80::1%eth0", host_key_name="[fe80::1%eth0]:2222", known_hosts=())
    words = master_command("", local, "/100%/s", timeout=20, stall=30, lasts=60)
    said = subprocess.run([shutil.which("ssh") or "", "-G", *words[1:]], capture_output=True, text=True, check=True)
    assert {"hostname fe80::1%eth0", "controlpath /100%/s"} <= set(said.stdout.splitlines())


def test_no_command_is_asked_for_host_keys() -> None:
    """An ssh that does not know the keyword gets it as little as one that has no such command."""
    assert "KnownHostsCommand=none" not in command(ENDPOINT)
    assert "KnownHostsCommand=none" in command(dataclasses.replace(ENDPOINT, asks_for_host_keys=True))


def test_a_server_in_between_is_checked_as_strictly() -> None:
    jump = dataclasses.replace(ENDPOINT, name="between", proxy_jump=None)
    words = command(dataclasses.replace(ENDPOINT, proxy_jump=jump))
    [proxy] = [word.removeprefix("ProxyCommand=") for word in words if word.startswith("ProxyCommand=")]
    inner = shlex.split(proxy.replace("%%", "%"))
    assert inner[0] == "/usr/bin/ssh" and inner[-1] == "between"
    assert inner[inner.index("-W") + 1] == "[192.0.2.7]:2222"
    for word in ("StrictHostKeyChecking=yes", "BatchMode=yes", "GlobalKnownHostsFile=none", "ProxyCommand=none"):
        assert word in inner
    assert environment(dataclasses.replace(ENDPOINT, proxy_jump=jump))["SHELL"] == "/bin/sh"


def test_another_name_of_its_key() -> None:
    assert not any(word.startswith("HostKeyAlias") for word in command(ENDPOINT))
    assert "HostKeyAlias=alias" in command(dataclasses.replace(ENDPOINT, host_key_name="alias"))
