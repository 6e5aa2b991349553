"""SSH certificates both ways: one line on the master lets in every host, one line on a host knows every master."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.amount import by_turns, is_soak
from tests.support.forced import Door, quoted, ssh
from tests.support.sshd import Account, Sshd, make_key
from tests.support.stage import Host, Stage, on_stage


@dataclass(frozen=True)
class Authority:
    """A key that signs others."""

    key: Path

    def sign(self, public: Path, *options: str) -> None:
        """Make a certificate beside a public key."""
        command = ["ssh-keygen", "-q", "-s", str(self.key), "-I", "test", *options, str(public)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def lets_in(self, public: Path, account: str, command: str) -> None:
        """As docs/access.rst has it."""
        self.sign(public, "-n", account, "-V", "-5m:+52w", "-O", "clear", "-O", f"force-command={command}")


@pytest.fixture(name="users")
def authority_of_users(tmp_path: Path) -> Authority:
    return Authority(make_key(tmp_path / "users"))


@pytest.fixture(name="masters")
def authority_of_masters(tmp_path: Path) -> Authority:
    return Authority(make_key(tmp_path / "masters"))


@pytest.fixture(name="certified")
def stage_with_certificates(tmp_path: Path, users: Authority, masters: Authority, bar_user: Account) -> Iterator[Stage]:
    """A master that trusts one authority, and has a certificate of another."""
    key = make_key(tmp_path / "host_ecdsa", "ecdsa")
    masters.sign(Path(f"{key}.pub"), "-h", "-n", "127.0.0.1")
    lines = [f"HostKey {key}", f"HostCertificate {key}-cert.pub", f"TrustedUserCAKeys {users.key}.pub"]
    with Sshd(tmp_path / "sshd", extra=lines) as server, on_stage(server, bar_user) as stage:
        yield stage


def enrolled(stage: Stage, door: Door, users: Authority, names: list[str]) -> list[Host]:
    """Hosts whose keys are signed, and of which no key is in authorized_keys."""
    hosts = [stage.host(name, added=False) for name in names]
    listed = stage.folder / "hosts.txt"
    listed.write_text("".join(f"{name}\n" for name in names))
    hosts[0].configure()
    hosts[0].pacha("add-host", "--from", listed, "--user", stage.account.name).must()
    for host in hosts:
        key = make_key(host.folder / "key")
        users.lets_in(
            Path(f"{key}.pub"), stage.account.name, f"{door.pacha} serve {host.name} --hosts-path {stage.hosts}"
        )
        host.configure(ssh_key=str(key))
    return hosts


def tree(stage: Stage) -> Path:
    (stage.folder / "opt").mkdir()
    (stage.folder / "opt/file").write_text("kept\n")
    return stage.folder / "opt"


def knows_only_the_authority(host: Host, masters: Authority) -> None:
    known = host.folder / "known"
    known.write_text(f"@cert-authority 127.0.0.1,[127.0.0.1]:* {Path(f'{masters.key}.pub').read_text()}")
    host.configure(ssh_known_hosts=str(known))


@pytest.mark.soak
@pytest.mark.parametrize("client", by_turns(["", "ssh"], 2))
def test_one_line_lets_in_every_host(
    certified: Stage, door: Door, users: Authority, masters: Authority, client: str
) -> None:
    bar, baz = enrolled(certified, door, users, ["bar", "baz"])
    path = tree(certified)
    for host in (bar, baz):
        host.configure(ssh_command=client)
        if client:  # one line on the host as well
            knows_only_the_authority(host, masters)
        host.watch(path)
        host.push()
    assert bar.memory["greeted"]
    if is_soak():
        (path / "file").unlink()
        bar.rebuild()
        assert (path / "file").read_text() == "kept\n"
    for command in (quoted("cat", certified.hosts / "bar/last-push"), "id", None):  # baz may reach its own folder only
        denied = subprocess.run(ssh(baz, command), input=b"", capture_output=True)
        assert denied.returncode and b"uid=" not in denied.stdout and b"tip" not in denied.stdout


def a_key_that_is_not_signed_is_refused(certified: Stage, door: Door, users: Authority, _: Authority) -> None:
    (bar,) = enrolled(certified, door, users, ["bar"])
    bar.watch(tree(certified))
    Path(f"{bar.folder}/key-cert.pub").unlink()
    assert bar.pacha("push").code == 11


def our_own_ssh_knows_no_authority_and_says_what_does(
    certified: Stage, door: Door, users: Authority, masters: Authority
) -> None:
    (bar,) = enrolled(certified, door, users, ["bar"])
    knows_only_the_authority(bar, masters)
    bar.watch(tree(certified))
    refused = bar.pacha("-v", "push")
    assert (
        refused.code == 11 and "host-key-unknown" in refused.err and "does not count" in " ".join(refused.err.split())
    )


@pytest.mark.parametrize(
    "refusal", by_turns([a_key_that_is_not_signed_is_refused, our_own_ssh_knows_no_authority_and_says_what_does], 2)
)
def test_refused(
    refusal: Callable[[Stage, Door, Authority, Authority], None],
    certified: Stage,
    door: Door,
    users: Authority,
    masters: Authority,
) -> None:
    refusal(certified, door, users, masters)
