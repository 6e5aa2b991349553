"""What a forced command allows: exactly what the client sends for one host, spelt in exactly its way."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.server.command_filter import (
    LONGEST,
    AllowedCommand,
    CommandDenied,
    Request,
    final_name,
    is_repository,
    of_repository,
    read,
)
from pacha.wire.master import PUSH, REBUILD, temporary_name

H = "/srv/h s/bar"  # a folder whose name has to be quoted
Q = shlex.quote
INIT = ("--config", "format.x=yes")
NEW = ".new-etc-00000000"
LOG = ".hg/store/00changelog.i"


def asked(text: str) -> Request:
    return read(text, b"/srv/h s", "bar", INIT)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("date -u +%s.%N", Request(AllowedCommand.DATE)),
        ("pacha serve bar --hosts-path /else --control", Request(AllowedCommand.CONTROL)),
        ("pacha serve bar --hosts-path /else --repository etc", Request(AllowedCommand.REPOSITORY, "etc")),
        (f"pacha serve bar --hosts-path /x --repository {NEW}", Request(AllowedCommand.NEW, NEW)),
        (f"mkdir -m 700 {Q(H)}", Request(AllowedCommand.MAKE)),
        (f"env LC_ALL=C LANGUAGE=C HGPLAIN=1 mkdir -m 700 {Q(H)}", Request(AllowedCommand.MAKE)),
        (f"sync -f {Q(H)}", Request(AllowedCommand.SYNC)),
        (f"hg init --config format.x=yes {Q(H + '/etc')}", Request(AllowedCommand.CREATE, "etc")),
        (f"hg -R {Q(f'{H}/{NEW}')} serve --stdio", Request(AllowedCommand.REPOSITORY, NEW)),
        (f"hg -R {Q(H + '/etc')} recover", Request(AllowedCommand.RECOVER, "etc")),
        (f"scp -r -f {Q(H + '/etc/.hg/store')}", Request(AllowedCommand.FETCH, "etc")),
        (f"scp -r -f {Q('/srv/h s/.hooks/bar')}", Request(AllowedCommand.HOOKS)),
        (
            f"sha256sum {Q(f'{H}/db/{LOG}')} {Q(f'{H}/etc/{LOG}')}",
            Request(AllowedCommand.DIGEST, f"db/{LOG}", (f"etc/{LOG}",)),
        ),
        (f"cat > {Q(H + '/last-push.new')}", Request(AllowedCommand.NOTE)),
        (f"mv -f {Q(H + '/last-push.new')} {Q(H + '/last-push')}", Request(AllowedCommand.BEAT)),
        (f"mv -T {Q(f'{H}/{NEW}')} {Q(H + '/etc')}", Request(AllowedCommand.PLACE, NEW)),
    ],
)
def test_what_the_client_sends(text: str, request_: Request) -> None:
    assert asked(text) == request_
    for spoilt in (f"{text} ", f" {text}", f"{text};id", f"{text}\n", f"{text} x", text.replace("bar", "foo")):
        if spoilt != text:
            with pytest.raises(CommandDenied):
                asked(spoilt)


@pytest.mark.parametrize(
    "text",
    [
        "", "id", "bash", "'",
        f"env LC_ALL=C mkdir -m 700 {Q(H)}", "env LC_ALL=C LANGUAGE=C HGPLAIN=1 sh",
        "env LC_ALL=C LANGUAGE=C HGPLAIN=1",
        "date -u '+%s.%N'", "date", f"scp -r -t {Q(H + '/etc/.hg/store')}", f"scp -r -f {Q(H)}",
        f"scp -r -f {Q(H + '/etc/../../foo/.hg/store')}", f"scp -r -f {Q(H + '//.hg/store')}",
        f"scp -r -f {Q('/srv/h s/.hooks/foo')}", "scp -r -f '/srv/h s/bar/etc/.hg'/store",
        f"hg init {Q(H + '/etc')}", f"hg init --config format.x=no {Q(H + '/etc')}",
        f"hg -R {Q(H + '/etc')} serve --stdio --debug", f"hg -R {Q(H + '/last-push')} serve --stdio",
        f"hg -R {Q(f'{H}/{NEW}')} recover", f"mv -T {Q(f'{H}/{NEW}')} {Q(H + '/opt')}",
        f"mv -f {Q(H + '/last-push')} {Q(H + '/last-push.new')}", f"cat > {Q(H + '/last-push')}", "cat > /etc/passwd",
        f"sha256sum {Q(f'{H}/etc/{LOG}')}", f"sha256sum {Q(f'{H}/db/{LOG}')} /etc/shadow",
        f"sha256sum {Q(H + '/etc/.hg/requires')}", "pacha serve bar --hosts-path /x --repository ../foo",
        "pacha serve foo --hosts-path /x --control", f"sync -f {Q(H)}" + " " * LONGEST,
    ],
)  # fmt: skip
def test_anything_else_is_denied(text: str) -> None:
    with pytest.raises(CommandDenied):
        asked(text)


@given(
    st.text(max_size=30) | st.lists(st.sampled_from([*"hg -R serve > ; $( ` \\ ' \"", H, "x"]), max_size=9).map("".join)
)
def test_any_text_is_denied_and_nothing_else_comes_of_it(text: str) -> None:
    with pytest.raises(CommandDenied):
        asked(text)


def test_which_right_each_needs() -> None:
    rights = {one.name: one.right for one in AllowedCommand}
    assert {name for name, right in rights.items() if right == REBUILD} == {"FETCH", "HOOKS", "LAST_PUSH"}
    assert {name for name, right in rights.items() if not right} == {
        "CONTROL",
        "DATE",
        "DIGEST",
        "PURGED",
        "REPOSITORY",
    }
    assert set(rights.values()) == {"", PUSH, REBUILD}


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hg", "a/b", "last-push", "last-push.new", "-x", "a" * 65, "é", "a\n"]
)
def test_no_repository_has_such_a_name(name: str) -> None:
    assert not is_repository(name) and of_repository(name) is None
    assert final_name(temporary_name(name)) is None


def test_a_temporary_name_tells_the_final_one() -> None:
    assert final_name(temporary_name("etc", "0123abcd")) == "etc"
    for wrong in ("etc", ".new-etc", ".new-etc-0123abc", ".new-etc-0123ABCD", ".new-etc-0123abcde/"):
        assert final_name(wrong) is None


def test_an_exclamation_mark_is_spelt_for_any_shell() -> None:
    for spelt in (r"mkdir -m 700 '/h'\!'/bar'", "mkdir -m 700 '/h!/bar'"):
        assert read(spelt, b"/h!", "bar", INIT) == Request(AllowedCommand.MAKE)
