"""How the text of each key is read: what it takes, and what it refuses."""

from __future__ import annotations

import os
import pwd

import pytest

from pacha.config.keys import KEYS

PARSE = {key.name: key.parse for key in KEYS}
MANY = ("pacha.exclude", "pacha.seal", "pacha.rebuild.keep", "pacha.drift.ignore", "pacha.secret")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("pacha.host", "", ()), ("pacha.host", "a.example , b", ("a.example", "b")),
        ("pacha.host", "[2001:DB8::1]", ("2001:db8::1",)), ("pacha.host", "fe80::1%eth0", ("fe80::1%eth0",)),
        ("pacha.host", "local", ("local",)), ("pacha.host", "a" * 255, ("a" * 255,)),
        ("pacha.ssh.user", "", None), ("pacha.ssh.user", "bar_user$", "bar_user$"),
        ("pacha.ssh.port", "1", 1), ("pacha.ssh.port", "65535", 65535),
        ("pacha.ssh.key", "", None), ("pacha.ssh.key", "/k", "/k"),
        ("pacha.ssh.timeout", "1", 1), ("pacha.ssh.timeout", "999999", 999999),
        ("pacha.hosts.path", "//srv/./hosts/", b"/srv/hosts"), ("pacha.hosts.path", "/\udcff", b"/\xff"),
        ("pacha.frequency", "0.000001", 0.000001), ("pacha.frequency", "12", 12.0),
        ("pacha.hostname", "", None), ("pacha.hostname", "bar-1.x_y", "bar-1.x_y"),
        ("pacha.exclude", "", ()), ("pacha.exclude", "*.o \"a b\" '' \\*", ("*.o", "a b", "\\*")),
        ("pacha.one.filesystem", "Yes", True), ("pacha.one.filesystem", "off", False),
        ("pacha.hg.command", "nice 'my hg'", ("nice", "my hg")),
        ("pacha.ping", "", None), ("pacha.ping", "https://h/?a=b", "https://h/?a=b"),
    ],
)  # fmt: skip
def test_what_is_taken(name: str, text: str, value: object) -> None:
    assert PARSE[name](text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pacha.host", "a,a"), ("pacha.host", "local,a"), ("pacha.host", "a,"), ("pacha.host", "-oProxyCommand=x"),
        ("pacha.host", "1.2.3.4.5:"), ("pacha.host", "a b"), ("pacha.host", "a" * 256),
        ("pacha.ssh.user", "-l"), ("pacha.ssh.user", "a b"), ("pacha.ssh.user", "a\n"),
        ("pacha.ssh.port", "0"), ("pacha.ssh.port", "65536"), ("pacha.ssh.port", "٢٢"), ("pacha.ssh.port", " 22"),
        ("pacha.ssh.key", "id_ed25519"), ("pacha.ssh.timeout", "0"), ("pacha.ssh.timeout", "1000000"),
        ("pacha.hosts.path", "hosts"), ("pacha.hosts.path", "/srv/../etc"),
        ("pacha.frequency", "0"), ("pacha.frequency", "0.0"), ("pacha.frequency", "nan"), ("pacha.frequency", "-1"),
        ("pacha.hostname", ".bar"), ("pacha.hostname", "b/r"), ("pacha.hostname", "b" * 256), ("pacha.hostname", "é"),
        ("pacha.exclude", "*.o, *.a"), ("pacha.exclude", "it's"),
        ("pacha.one.filesystem", "perhaps"), ("pacha.hooks", ""),
        ("pacha.hg.command", ""), ("pacha.hg.command", "''"), ("pacha.hg.command", "hg '"),
        ("pacha.ping", "ftp://h/"), ("pacha.ping", "http://"), ("pacha.ping", "http://h/a b"),
        ("pacha.ping", "http://h:99999/"), ("pacha.ping", "http://[h/"),
    ],
)  # fmt: skip
def test_what_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError):
        PARSE[name](text)


@pytest.mark.parametrize("name", ["pacha.host", "pacha.ssh.user", "pacha.hosts.path", "pacha.exclude", "pacha.ping"])
def test_the_reason_is_safe_to_print_whatever_the_file_says(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        PARSE[name]("a\x1b]0;x\x07 \n,")
    assert str(caught.value).isprintable()


def test_an_account_or_a_port_in_the_host_is_told_where_it_belongs() -> None:
    with pytest.raises(ValueError) as caught:
        PARSE["pacha.host"]("root@master:22")
    assert "pacha.ssh.user" in str(caught.value) and "pacha.ssh.port" in str(caught.value)


def test_a_tilde_is_the_home_of_the_account_not_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert PARSE["pacha.ssh.known_hosts"]("~/known") == f"{home}/known"


def test_only_patterns_may_stand_on_several_lines() -> None:
    assert tuple(key.name for key in KEYS if key.many) == MANY


def test_every_default_can_be_read_and_no_field_is_set_twice() -> None:
    for key in KEYS:
        key.parse(key.default)
    assert len({key.field for key in KEYS}) == len({key.name for key in KEYS}) == len(KEYS)
