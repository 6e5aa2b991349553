"""Names: of repositories, as stored (Mercurial itself is the judge), and as shown on a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mercurial import pathutil, scmutil  # the real rules, not our idea of them

from pacha.files import names
from tests.support.amount import examples
from tests.support.file_names import COMPONENT, RELATIVE


def accepted_by_mercurial(name: bytes) -> bool:
    """Whether Mercurial commits ``name`` and lets a clone check it out."""
    try:
        scmutil.checkfilename(name)
        pathutil.pathauditor(b"/nowhere", realfs=False)(name)
    except Exception:
        return False
    return True


@pytest.mark.slow
@pytest.mark.soak
@given(RELATIVE)
@settings(max_examples=examples(800))
@example(b"\xe2\x80\x8c")
@example(b".h\xe2\xe2\x80\x8c\x80\x8dg/a")
@example(b"a/.hg. . /b")
@example(b".pacha/parts/a/000000")
def test_storing_is_a_bijection_onto_names_that_mercurial_takes(relative: bytes) -> None:
    name = names.stored(relative)
    assert names.original(name) == relative
    assert accepted_by_mercurial(name)
    assert not name.startswith(names.PARTS)
    assert name not in (b".hgsub", b".hgsubstate", b".hgtags")


@pytest.mark.soak
@given(RELATIVE)
@settings(max_examples=examples(500))
@example(b"a/hg~1")
@example(b"a\n")
def test_the_look_that_tells_plain_names_agrees_with_one_at_each_component(relative: bytes) -> None:
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(names, "_PLAIN", re.compile(rb"(?!)"))
        name = names.stored(relative)
        assert names.original(name) == relative
    assert names.stored(relative) == name and names.original(name) == relative


@given(RELATIVE, RELATIVE)
def test_different_names_are_stored_differently(one: bytes, other: bytes) -> None:
    assert (names.stored(one) == names.stored(other)) == (one == other)


@pytest.mark.soak
@given(RELATIVE)
@settings(max_examples=examples(500))
def test_what_is_not_a_stored_name_is_refused(name: bytes) -> None:
    try:
        relative = names.original(name)
    except ValueError:
        return
    assert names.stored(relative) == name


@pytest.mark.parametrize(
    "name",
    [
        b"passwd", b".bashrc", b"a b", b"100%", b"~root", b"hg~x", b"hg", b".hgignore", b"conf.d/.hgrc", b"a/.hgtags",
        b"x.hg", b"caf\xc3\xa9", b"\xff\xfe", b"\xe2\x82\xac uro", b".pachas", b"a\\b", b"-rf", b"\x1b[31m", b"con",
        b".pacha-0123456789abcdef", b"\xe6\xb0\xb4", b"'", b"a" * 255,
    ],
)  # fmt: skip
def test_natural_names_stay_as_they_are(name: bytes) -> None:
    assert accepted_by_mercurial(name)
    assert names.stored(name) == name


@pytest.mark.parametrize(
    "name",
    [b"a\nb", b"a\rb", b".hg", b".HG", b".Hg.", b"a/.hg/b", b"hg~1", b"HG8b6C~0", b".h\xe2\x80\x8cg", b".hgtags",
     b".hgsub", b".hgsubstate", b".pacha", b"x/.pacha/y", b"\xef\xbb\xbf.hg", b"\xe2\x80\x8c"],
)  # fmt: skip
def test_what_mercurial_refuses_or_obeys_is_stored_escaped(name: bytes) -> None:
    assert names.stored(name) != name
    assert accepted_by_mercurial(names.stored(name))


@pytest.mark.parametrize(
    "name",
    [
        b".hg",
        b".hgtags",
        b"a\nb",
        b".pacha%a",
        b".pacha%%0a",
        b".pacha%2Ehg",
        b".pacha/parts/a/000000",
        b".pacha%a%0A/",
    ],
)
def test_what_stored_never_gives_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match="not a stored name"):
        names.original(name)


def test_parts_sort_in_order_beyond_ten() -> None:
    numbered = [names.part(b"big", number) for number in range(1200)]
    assert numbered == sorted(numbered)
    assert numbered[0] == b".pacha/parts/big/000000"


# -- repository names


@pytest.mark.parametrize(
    ("path", "taken", "name"),
    [
        (b"/opt/foo", [], "foo"),
        (b"/srv/foo", ["foo"], "foo-2"),
        (b"/var/foo", ["foo", "foo-2"], "foo-3"),
        (b"/root/.ssh", [], "ssh"),
        (b"/home/a/.bashrc", [], "bashrc"),
        (b"/srv/db", [], "db-2"),
        (b"/srv/DB", [], "DB-2"),
        (b"/srv/db", ["db-2"], "db-3"),
        (b"/", [], "root"),
        (b"/srv/...", [], "root"),
        (b"/srv/\xc3\xa9\xff", [], "root"),
        (b"/srv/-rf", [], "rf"),
        (b"/srv/a b;$(c)", [], "abc"),
        (b"/srv/a\nb", [], "ab"),
        (b"/srv/" + b"x" * 255, [], "x" * 64),
        (b"/srv/" + b"x" * 255, ["x" * 64], "x" * 62 + "-2"),
        (b"/srv/Foo", ["foo"], "Foo-2"),
        (b"/srv/last-push", [], "last-push-2"),
    ],
)
def test_repository_names(path: bytes, taken: list[str], name: str) -> None:
    assert names.repository_name(path, taken) == name


@given(st.lists(COMPONENT, max_size=12))
def test_repository_names_are_safe_and_never_given_twice(components: list[bytes]) -> None:
    taken: list[str] = []
    for component in components:
        name = names.repository_name(b"/srv/" + component, taken)
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", name)
        assert name.lower() not in {"db", "last-push", *(other.lower() for other in taken)}
        taken.append(name)


# -- on a terminal


@pytest.mark.parametrize(
    ("name", "own"),
    [(b".pacha-0123456789abcdef", True), (b".pacha-kept-x\n", True), (b".pacha-0123456789abcde", False),
     (b".pacha-0123456789abcdef\n", False), (b".pacha-kept-", False), (b".pacha", False), (b"x.pacha-kept-1", False)],
)  # fmt: skip
def test_pachas_own_names(name: bytes, own: bool) -> None:
    assert names.is_pachas_own(name) is own


def test_the_judge_judges() -> None:
    assert not accepted_by_mercurial(b".hg/a") and not accepted_by_mercurial(b"a\nb")


def test_the_number_of_a_part() -> None:
    assert [names.part_number(names.part(b"a/b", number)) for number in (0, 7, 1_234_567)] == [0, 7, 1_234_567]
    assert names.part_number(b"a/000001") == -1
