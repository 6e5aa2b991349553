"""Refuse a server whose host key is unknown, changed or revoked, and say how to accept it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import NoReturn

from pacha.errors import UnreachableError
from pacha.system.home import home_dir
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.known_hosts import KnownKey, authorities, fingerprint, key_kind, known_keys


def known_keys_of(endpoint: Endpoint) -> tuple[list[KnownKey], list[KnownKey]]:
    """The known keys of the endpoint's own name, and those of its host without the port.

    OpenSSH, too, accepts a host's known key of port 22 on another port (sshconnect.c, check_host_key, "found matching
    key w/out port").
    """
    own = known_keys(endpoint.known_hosts, endpoint.host_key_name)
    if endpoint.host_key_name != f"[{endpoint.host}]:{endpoint.port}":
        return own, []
    return own, known_keys(endpoint.known_hosts, endpoint.host)


def check_host_key(endpoint: Endpoint, blob: bytes) -> None:
    """Raise UnreachableError unless the server's key is known and not revoked."""
    own, portless = known_keys_of(endpoint)
    same = [key for key in own + portless if key.blob == blob]
    shows = f"it shows {fingerprint(blob)} ({one_line(key_kind(blob))})"
    revoked = [key for key in same if key.revoked]
    if revoked:
        raise UnreachableError(
            f"The host key of {endpoint.host} is revoked: nothing was sent.",
            f"{shows}, which {revoked[0].file} line {revoked[0].line} revokes",
            "Ask whoever runs the master for its new key; whoever holds the old one may be listening.",
            code="host-key-revoked",
        )
    if same:
        return
    valid = [key for key in own if not key.revoked]
    if valid:
        _refuse_changed(endpoint, blob, valid)
    why = f"{shows}; no line for {endpoint.host_key_name} in {' or '.join(endpoint.known_hosts)}"
    options: list[str] = []
    for authority in authorities(endpoint.known_hosts, endpoint.host_key_name)[:1]:
        why += f"; its certificate ({authority.file} line {authority.line}) does not count: Pacha checks keys alone"
        algorithm = {"ssh-rsa": "rsa-sha2-512"}.get(key_kind(blob), one_line(key_kind(blob)))  # RFC 8332
        options = ["-o", f"HostKeyAlgorithms={algorithm}"]  # else ssh takes the certificate, and asks nothing
    raise UnreachableError(
        f"{endpoint.host} (port {endpoint.port}) is not known: nothing was sent.",
        why,
        f"To be sure, {_compare_hint(blob)}; if it is the same, accept it once: {ssh_command(endpoint, options)}",
        code="host-key-unknown",
    )


def _refuse_changed(endpoint: Endpoint, blob: bytes, valid: list[KnownKey]) -> NoReturn:
    alike = next((entry for entry in valid if entry.kind == key_kind(blob)), valid[0])
    raise UnreachableError(
        f"The host key of {endpoint.host} has changed: nothing was sent.",
        f"it shows {fingerprint(blob)} ({one_line(key_kind(blob))}), "
        f"but {alike.file} line {alike.line} has {fingerprint(alike.blob)} ({one_line(alike.kind)})",
        f"Somebody may be in between; {_compare_hint(blob)}; if it is the same, remove that line: "
        f"{shlex.join(['ssh-keygen', '-f', alike.file, '-R', endpoint.host_key_name])}, "
        f"and accept it once: {ssh_command(endpoint)}",
        code="host-key-changed",
    )


def _compare_hint(blob: bytes) -> str:
    kind = key_kind(blob)
    short = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(kind, "ecdsa")
    return f"compare the fingerprint on the master: ssh-keygen -lf /etc/ssh/ssh_host_{short}_key.pub"


def ssh_command(endpoint: Endpoint, options: Sequence[str] = ()) -> str:
    """The command by which a person logs in there, with ``options``."""
    words = ["ssh", "-p", str(endpoint.port), *options]
    files = [file for file in endpoint.known_hosts if file != os.devnull]  # there ssh would remember nothing
    if files[:1] != [os.path.join(home_dir(), ".ssh", "known_hosts")] and endpoint.known_hosts[1:]:
        words += ["-o", f"UserKnownHostsFile={files[0]}"]
    if endpoint.only_these_keys and len(endpoint.key_files) == 1:
        words += ["-i", endpoint.key_files[0]]
    if endpoint.proxy_jump:
        words += ["-J", f"{endpoint.proxy_jump.label}:{endpoint.proxy_jump.port}"]
    if endpoint.proxy_command:
        words += ["-o", f"ProxyCommand={endpoint.proxy_command.replace('%', '%%')}"]
    return shlex.join([*words, endpoint.label])
