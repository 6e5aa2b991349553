"""What a text of configuration becomes, and what is refused in it."""

from __future__ import annotations

import os
import pwd
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.config.config import Config
from pacha.config.keys import KEYS
from pacha.config.parse import ConfigFaults, parse_config
from pacha.errors import ExitCode
from tests.support.config import SEED


def one(line: str) -> Config:
    return parse_config(f"[DEFAULT]\n{line}\n")


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        parse_config(text)
    assert caught.value.exit_code == ExitCode.CONFIG
    for part in (caught.value.message, caught.value.why, caught.value.hint):
        assert part and part.isprintable()
    assert all(str(fault) in caught.value.why for fault in caught.value.faults)
    return [str(fault) for fault in caught.value.faults]


def fault(line: str) -> str:
    (only,) = faults(f"[DEFAULT]\n{line}\n")
    return only


@pytest.mark.parametrize("text", [SEED, textwrap.indent(SEED, "    "), SEED.replace("\n", "\r\n")])
def test_the_manual_s_thirteen_lines(text: str) -> None:
    config = parse_config(text)
    assert config.hosts == config.masters() == ("master.example.com",)
    assert config.ssh_user == "bar_user"
    assert config.hosts_path == b"/pacha/hosts"
    assert config.frequency == 12.0
    assert config.warnings == ()


def test_an_empty_file_is_all_defaults() -> None:
    config = parse_config("")
    assert config == parse_config("[DEFAULT]\n")
    assert (config.hosts, config.ssh_user, config.ssh_port, config.ssh_key) == ((), None, None, None)
    assert (config.frequency, config.hosts_path, config.hg_command) == (12.0, b"/pacha/hosts", ("hg",))
    assert (config.one_filesystem, config.hooks, config.ping, config.exclude) == (False, False, None, ())


def test_a_key_left_empty_is_not_set() -> None:
    assert parse_config("[DEFAULT]\n" + "".join(f"{key.name} =\n" for key in KEYS)) == parse_config("")


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("pacha.host = a.example, b,c_d", "hosts", ("a.example", "b", "c_d")),
        ("pacha.host: local", "hosts", ("local",)),
        ("pacha.host = 10.0.0.1, [::1], FE80::1%eth0", "hosts", ("10.0.0.1", "::1", "fe80::1%eth0")),
        ("PACHA.Host = Bar", "hosts", ("Bar",)),
        ("pacha.ssh.port = 2222", "ssh_port", 2222),
        ("pacha.ssh.port = 22", "ssh_port", 22),
        ("pacha.ssh.user = first.last@corp", "ssh_user", "first.last@corp"),
        ("pacha.ssh.key = /root/my key", "ssh_key", "/root/my key"),
        ("pacha.hosts.path = //srv/./pacha/", "hosts_path", b"/srv/pacha"),
        ("pacha.hosts.path = /", "hosts_path", b"/"),
        ("pacha.hosts.path = /100%/%(x)s", "hosts_path", b"/100%/%(x)s"),
        ("pacha.hosts.path = /s\u00fcd", "hosts_path", "/s\u00fcd".encode()),
        ("pacha.frequency = 0.5", "frequency", 0.5),
        ("pacha.hostname = web-1.example_x", "hostname", "web-1.example_x"),
        ("pacha.exclude = *.swp 'a b' /c\\*d [!e]", "exclude", ("*.swp", "a b", "/c\\*d", "[!e]")),
        ("pacha.exclude =\n  *.pyc\n  # why\n\n  ; and\n  \"it's\"\n", "exclude", ("*.pyc", "it's")),
        ("pacha.rebuild.keep = /etc/fstab\n /b/c", "rebuild_keep", ("/etc/fstab", "/b/c")),
        ("pacha.hooks = Yes", "hooks", True),
        ("pacha.one.filesystem = on", "one_filesystem", True),
        ("pacha.one.filesystem = 0", "one_filesystem", False),
        ("pacha.hg.command = nice '/opt/my hg/bin/hg' -v", "hg_command", ("nice", "/opt/my hg/bin/hg", "-v")),
        ("pacha.ping = https://u@hc.example:8443/a?b=%20c#d", "ping", "https://u@hc.example:8443/a?b=%20c#d"),
    ],
)  # fmt: skip
def test_what_a_value_becomes(line: str, field: str, value: object) -> None:
    assert getattr(one(line), field) == value


def test_a_tilde_is_the_home_folder_that_the_account_has() -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert home != os.environ["HOME"]
    assert one("pacha.ssh.key = ~/keys/pacha").ssh_key == f"{home}/keys/pacha"
    assert one("pacha.ssh.key = ~/.ssh/pacha").ssh_key == os.path.join(os.environ["PACHA_SSH"], "pacha")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pacha.host = -oProxyCommand=x", "is not a host name"),
        ("pacha.host = a;b", "is not a host name"),
        ("pacha.host = $(id)", "is not a host name"),
        ("pacha.host = ../x", "is not a host name"),
        ("pacha.host = bar@master", "pacha.ssh.user"),
        ("pacha.host = master:2222", "pacha.ssh.port"),
        ("pacha.host = a,,b", "'' is not a host name"),
        ("pacha.host = a, a", "twice"),
        ("pacha.host = local, a", "standalone"),
        ("pacha.host = _x", "is not a host name"),
        ("pacha.host = 1:2", "is not a host name"),
        ("pacha.host = fe80::1%e;x", "is not a host name"),
        ("pacha.host = " + "a" * 256, "is not a host name"),
        ("pacha.host = m\u00fcnchen", "is not a host name"),
        ("pacha.ssh.user = -x", "is not a user name"),
        ("pacha.ssh.user = a b", "is not a user name"),
        ("pacha.ssh.user = bar # the host", "comment"),
        ("pacha.ssh.port = 0", "is not a port"),
        ("pacha.ssh.port = 65536", "is not a port"),
        ("pacha.ssh.port = \u0663", "is not a port"),
        ("pacha.ssh.port = ssh", "is not a port"),
        ("pacha.ssh.key = id_ed25519", "is not an absolute path"),
        ("pacha.hosts.path = pacha/hosts", "is not an absolute path"),
        ("pacha.hosts.path = /pacha/../etc", "is not an absolute path"),
        ("pacha.hosts.path = /srv/$HOME", "for a variable"),
        ("pacha.frequency = 0", "hours"),
        ("pacha.frequency = 0.0000001", "hours"),
        ("pacha.frequency = -1", "hours"),
        ("pacha.frequency = inf", "hours"),
        ("pacha.frequency = 1e3", "hours"),
        ("pacha.frequency = 12h", "hours"),
        ("pacha.frequency = 12 ; hours", "comment"),
        ("pacha.hostname = .hooks", "is not a host name"),
        ("pacha.hostname = a/b", "is not a host name"),
        ("pacha.hostname = " + "a" * 241, "is not a host name"),
        ("pacha.exclude = *.a, *.b", "not by commas"),
        ("pacha.exclude = it's", "quote"),
        ("pacha.exclude = *.a\n  *.b # old", "comment"),
        ("pacha.exclude = *.a\n  pacha.host = x", "indented"),
        ("pacha.ssh.user = a\n  b", "several lines"),
        ("pacha.ssh.user = a\n\n  pacha.host = x", "indented"),
        ("pacha.hooks = maybe", "neither yes nor no"),
        ("pacha.hg.command = 'hg", "is not a command"),
        ("pacha.hg.command = ''", "is empty"),
        ("pacha.ping = ftp://a", "URL"),
        ("pacha.ping = https://", "URL"),
        ("pacha.ping = https://a:99999/", "URL"),
        ("pacha.ping = https://a b", "URL"),
        ("pacha.ssh.key = /a\x1b[2Jb", "control character"),
        ("pacha.ssh.key = /a\rb", "control character"),
        ("pacha.ssh.key = /a\x00b", "control character"),
    ],
)
def test_what_is_refused(line: str, reason: str) -> None:
    found = fault(line)
    assert found.startswith(line.split(" =")[0] + ": ")
    assert reason in found


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("pacha.hosst = a", "pacha.host"),
        ("pacha.hosts = a", "pacha.host"),
        ("pacha.hostpath = /a", "pacha.hosts.path"),
        ("pacha.excludes = a", "pacha.exclude"),
        ("host = a", "pacha.host"),
        ("ssh.user = a", "pacha.ssh.user"),
        ("pacha.logs = a", "pacha."),
        ("z = a", "pacha."),
    ],
)
def test_an_unknown_key_names_the_nearest(line: str, nearest: str) -> None:
    assert f"no such key; the nearest is {nearest}" in fault(line)


@pytest.mark.parametrize("key", ["pacha.master", "pacha.log.path", "pacha.log.level", "pacha.hg.autocorrect"])
def test_a_key_of_the_original_is_a_warning(key: str) -> None:
    config = one(f"{key} = True\npacha.host = m")
    assert config.hosts == ("m",)
    (warning,) = config.warnings
    assert key in warning


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        "[DEFAULT]\npacha.hosst = a\npacha.frequency = x\npacha.hooks = yes\npacha.hooks = no\n"
        "pacha.ssh.port = y\npacha.host = a\npacha.host = b\npacha.host = c\n[other]\na = b\n[other]\n"
    )
    keys = sorted(text.split(": ")[0] for text in found)
    assert keys == [
        "pacha.frequency", "pacha.hooks", "pacha.hosst", "pacha.host", "pacha.host", "pacha.ssh.port",
        "section [other]",
    ]  # fmt: skip


def test_a_key_that_stands_twice_is_a_fault_with_its_line() -> None:
    assert fault("pacha.host = a\nPacha.Host = a") == "pacha.host: is set twice, the second time in line 3"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pacha.host = a\n", "line 1 has no line [DEFAULT] above it"),
        ("[default]\npacha.host = a\n", "section [default]"),
        ("[DEFAULT]\npacha.host\n", "line 2 has no key"),
        ("[DEFAULT]\npacha.host = a\n[x\x1b]\n", "section [x\\x1b]"),
    ],
)
def test_grammar_faults(text: str, reason: str) -> None:
    (found,) = faults(text)
    assert reason in found


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_printable_reasons(text: str) -> None:
    try:
        parse_config("[DEFAULT]\n" + text)
    except ConfigFaults as error:
        assert error.why and error.why.isprintable()


@given(st.sampled_from(KEYS), st.text(max_size=60))
def test_any_value_is_read_or_refused_with_printable_reasons(key: object, value: str) -> None:
    try:
        config = parse_config(f"[DEFAULT]\n{key.name} = {value}")  # type: ignore[attr-defined]
    except ConfigFaults as error:
        assert error.why and error.why.isprintable()
    else:
        assert all(text.isprintable() for _, text, _ in config.values())
