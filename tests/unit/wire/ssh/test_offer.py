"""A key that cannot sign does not end the conversation: a signature that no server takes is sent instead."""

from __future__ import annotations

from pacha.wire.ssh.agent import AgentError
from pacha.wire.ssh.offer import Offer

BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\1p"


def test_a_signature() -> None:
    offer = Offer(BLOB, lambda data, name: data + name.encode())
    assert (offer.get_name(), offer.asbytes()) == ("ssh-ed25519", BLOB)
    assert offer.sign_ssh_data(b"data", "algorithm") == b"dataalgorithm"
    assert offer.failure == ""


def test_none() -> None:
    def refuse(data: bytes, name: str) -> bytes:
        raise AgentError("it refuses")

    offer = Offer(BLOB, refuse)
    signature = offer.sign_ssh_data(b"data", "rsa-sha2-512-cert-v01@openssh.com")
    assert signature == b"\0\0\0\x0crsa-sha2-512\0\0\0\x40" + bytes(64)
    assert offer.failure == "it refuses"
