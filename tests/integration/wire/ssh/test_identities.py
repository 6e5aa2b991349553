"""In which order keys are offered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pacha.wire.ssh import Endpoint
from pacha.wire.ssh.identities import Identities
from tests.support.agent import certify, make_token_key, ssh_agent
from tests.support.sshd import make_key


def labels(endpoint: Endpoint) -> list[str]:
    identities = Identities(endpoint)
    try:
        return [label.split("SHA256")[0].removesuffix(":").strip() for label, _ in identities]
    finally:
        identities.close()


def test_the_order(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, locked, other = (
        make_key(tmp_path / name, passphrase=word) for name, word in (("a", ""), ("b", "x"), ("c", ""))
    )
    certify(plain, "bar")
    named = dataclasses.replace(endpoint, key_files=(str(locked), str(plain)), only_these_keys=True)
    with ssh_agent(tmp_path / "agent") as agent:
        agent.add(make_token_key(tmp_path / "token"))
        agent.add(other)
        agent.add(locked, "x")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        files = [str(plain), f"{plain}-cert.pub"]
        assert labels(named) == [*files, "agent key"]
        assert labels(dataclasses.replace(named, only_these_keys=False)) == [*files, *["agent key"] * 3]
        usual = dataclasses.replace(named, only_these_keys=False, named_keys=False)
        assert labels(usual) == [*["agent key"] * 3, *files]
        assert labels(dataclasses.replace(usual, agent="")) == [*files, str(locked)]
