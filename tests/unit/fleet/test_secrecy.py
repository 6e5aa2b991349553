"""What is not shown: by name, by mode, by a folder above, by pacha.secret, by content; and which lines."""

from __future__ import annotations

import time

import pytest

from pacha.fleet import secrecy
from pacha.fleet.secrecy import Secrecy

OPEN = {b"/": 0o755, b"/etc": 0o755, b"/etc/a": 0o644, b"/etc/closed": 0o700, b"/etc/group": 0o770}


def why(path: bytes, mode: int = 0o644, *patterns: str) -> str:
    return Secrecy(patterns).why_hidden(path, {**OPEN, path: mode}.get)


@pytest.mark.parametrize(
    "name",
    [
        b"shadow", b"shadow-", b"gshadow", b"gshadow-", b"shadow.bak", b"shadow~", b"id_rsa", b"id_ed25519",
        b"id_ecdsa_sk",
        b"id_rsa.old", b"ssh_host_rsa_key", b"ssh_host_ed25519_key", b"server.key", b"server.key.1", b"tls-key", b"key",
        b"PRIVATEKEY", b"store.jks", b"a.p12", b"a.pfx", b"passwords.kdbx", b"krb5.keytab", b".netrc", b".pgpass",
        b".my.cnf",
        b"htpasswd", b".htpasswd", b".git-credentials", b"credentials", b"credentials.json", b".env", b".env.local",
        b"prod.env",
        b"secrets.yaml", b"ipsec.secrets", b"chap-secrets", b"api_token", b"token", b"db.password",
        b"wpa_supplicant.conf",
        b"home.nmconnection", b".bash_history", b"sasl_passwd", b"opasswd", b"client.ovpn", b"debian.cnf", b"apikey",
        b"secring.gpg",
    ],
)  # fmt: skip
def test_names(name: bytes) -> None:
    assert why(b"/etc/" + name) == secrecy.BY_NAME


@pytest.mark.parametrize(
    "name",
    [
        b"passwd", b"group", b"sshd_config", b"id_rsa.pub", b"ssh_host_rsa_key.pub", b"authorized_keys", b"known_hosts",
        b"common-password", b"ca-certificates.crt", b"isrg.pem", b"hosts", b"environment", b"nsswitch.conf",
        b"keyboard",
        b"monkey", b"keys.conf", b"login.defs", b"shadowsocks.conf", b"history.conf", b"identity.conf",
    ],
)  # fmt: skip
def test_names_that_are_open(name: bytes) -> None:
    assert why(b"/etc/" + name) == ""


def test_modes_and_folders() -> None:
    assert why(b"/etc/a", 0o640) == secrecy.BY_MODE and why(b"/etc/a", 0o600) == secrecy.BY_MODE
    assert why(b"/etc/closed/a") == secrecy.BY_FOLDER and why(b"/etc/group/b/c") == secrecy.BY_FOLDER
    assert why(b"/unknown/a") == "" and Secrecy().why_hidden(b"/nowhere", {}.get) == ""


def test_patterns() -> None:
    assert why(b"/etc/icinga/a", 0o644, "/etc/icinga/**") == secrecy.BY_RULE
    assert why(b"/etc/icinga/a", 0o644, "/etc/icinga/") == secrecy.BY_RULE
    assert why(b"/srv/x.priv", 0o644, "*.priv") == secrecy.BY_RULE and why(b"/srv/x", 0o644, "*.priv") == ""


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN PRIVATE KEY-----\n", b"x\n-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b"PuTTY-User-Key-File-3: ssh-rsa\n",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----", b"AGE-SECRET-KEY-1QQQ", b"[Interface]\nPrivateKey = abc=\n",
    ],
)  # fmt: skip
def test_contents(text: bytes) -> None:
    assert secrecy.why_hidden_by(text) == secrecy.BY_CONTENT


def test_open_contents() -> None:
    assert secrecy.why_hidden_by(b"-----BEGIN CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\n") == ""


@pytest.mark.parametrize(
    "line",
    [
        b"password = hunter2", b"db_password: hunter2", b'"apiKey": "abcdef"', b"export API_TOKEN=abc", b"pass='x y'",
        b"AWS_SECRET_ACCESS_KEY=abc", b"url = postgres://bob:hunter2@db/x", b"root:$6$salt$" + b"x" * 60,
        b"requirepass hunter2",
        b"userPassword: {SSHA}abcdefghijkl", b"key AKIAABCDEFGHIJKLMNOP", b"ghp_" + b"a" * 36,
        b"Authorization: Bearer abcd1234",
        b"<password>x</password>", b"$cfg['db_passwd'] => 'x'", b"password Hunter2", b"token_url_secret=x",
        b"psk=abcdefgh",
        b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", b"client_secret := abc", b"rocommunity s3cret",
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [b"+", b"-", b" "])
def test_lines(line: bytes, sign: bytes) -> None:
    assert secrecy.without_secrets(sign + line) == sign + secrecy.LINE


@pytest.mark.parametrize(
    "line",
    [
        b"PasswordAuthentication no", b"PermitEmptyPasswords no", b"passwd:         files systemd",
        b"# the password is asked",
        b"password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt", b"password requisite pam_deny.so",
        b"http://example.com:8080/a", b"root:x:0:0:root:/root:/bin/bash", b"PubkeyAuthentication yes",
        b"AuthorizedKeysFile none",
    ],
)  # fmt: skip
def test_open_lines(line: bytes) -> None:
    assert secrecy.without_secrets(b"+" + line) == b"+" + line


@pytest.mark.parametrize(
    "text",
    [
        b"secret" + b"_a" * 500_000, b"pass_" * 200_000, b"password" + b" " * 1_000_000, b"://a:" * 200_000,
        b"a" * 1_000_000,
        b"x.bak_old~" * 100_000, b"a.dpkg-old_old" * 70_000 + b"!", b"eyJaaaaaaaaaa." * 70_000, b"-----BEGIN " * 90_000,
    ],
)  # fmt: skip
def test_no_text_takes_long(text: bytes) -> None:
    began = time.process_time()
    secrecy.without_secrets(b"+" + text)
    secrecy.why_hidden_by(text)
    why(b"/" + text.replace(b"/", b""))
    assert time.process_time() - began < 2


def test_a_long_line_is_cut_behind_what_is_looked_at() -> None:
    line = b"+" + b"x" * 1990 + b" password=" + b"y" * 100
    assert len(secrecy.without_secrets(line)) <= secrecy.LONGEST_LINE and b"yy" not in secrecy.without_secrets(line)
