"""Secrets in the clear are found by name and first bytes, and the line that seals them seals just those."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.config.parse import parse_config
from pacha.sealing import readable
from pacha.sealing.readable import ReadableSecrets
from pacha.sealing.rules import SealRules

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"


def test_keys_are_found_and_certificates_are_not(tmp_path: Path) -> None:
    for name, text in {
        "ssh/ssh_host_rsa_key": KEY,
        "ssh/ssh_host_ed25519_key": KEY,
        "ssh/ssh_host_rsa_key.pub": "ssh-rsa AAAA\n",
        "ssl/private/site": "-----BEGIN CERTIFICATE-----\n-----END\n-----BEGIN PRIVATE KEY-----\n",
        "ssl/site.pem": "-----BEGIN CERTIFICATE-----\n",
        "wireguard/wg0.conf": "[Interface]\nPrivateKey = abc\n",
        "app/my app.key": "-----BEGIN RSA PRIVATE KEY-----\n",
        "app/cache.key": "not one\n",
        "krb5.keytab": "x",
        "notes": KEY,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    os.mkfifo(tmp_path / "ssl" / "fifo.key")
    (tmp_path / "ssl" / "link.key").symlink_to(tmp_path / "notes")
    found = readable.find(readable.below(os.fsencode(tmp_path)))
    names = {os.fsdecode(path)[len(str(tmp_path)) + 1 :] for path in found.keys}
    assert names == {
        "ssh/ssh_host_rsa_key", "ssh/ssh_host_ed25519_key", "ssl/private/site", "wireguard/wg0.conf", "app/my app.key",
        "krb5.keytab",
    }  # fmt: skip
    assert found.words == "6 private keys" and found.verb == "are"
    assert "/ssh/ssh_host_*_key" in found.setting
    patterns = parse_config(f"[DEFAULT]\npacha.host = local\n{found.setting}\n").seal
    rules = SealRules(patterns, [os.fsencode(tmp_path)])
    sealed = {path for path in readable.below(os.fsencode(tmp_path)) if rules.matches(path)}
    assert sealed == set(found.keys)


def test_words_and_many() -> None:
    found = readable.find([b"/etc/shadow", b"/etc/gshadow", b"/etc/passwd"])
    assert found.words == "/etc/shadow and /etc/gshadow" and found.setting == "pacha.seal = /etc/shadow /etc/gshadow"
    one = ReadableSecrets((b"/etc/shadow",), ())
    assert (one.words, one.verb) == ("/etc/shadow", "is")
    assert ReadableSecrets((b"/etc/shadow",), tuple(b"/a/%d.p12" % n for n in range(14))).words == (
        "14 private keys and /etc/shadow"
    )
    many = ReadableSecrets((), tuple(b"/srv/[x]\x1b/%d.p12" % number for number in range(40)))
    assert many.setting.count("/srv/") == 1 and "\x1b" not in many.setting
    assert not readable.find([])
