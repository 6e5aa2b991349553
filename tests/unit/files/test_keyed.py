"""The keyed digest covers the path, the secret attributes and the content, each with its length."""

from __future__ import annotations

from pacha.files import keyed


def digest(key: bytes, path: bytes, attributes: keyed.Attributes, content: bytes) -> bytes:
    made = keyed.begin(key, path, attributes)
    made.update(content)
    return made.digest()


def test_everything_that_is_secret_is_in_it() -> None:
    same = digest(b"k" * 32, b"/a", ((b"user.x", b"1"),), b"content")
    assert same == digest(b"k" * 32, b"/a", ((b"user.x", b"1"),), b"content")
    others = [
        digest(b"l" * 32, b"/a", ((b"user.x", b"1"),), b"content"),
        digest(b"k" * 32, b"/b", ((b"user.x", b"1"),), b"content"),
        digest(b"k" * 32, b"/a", ((b"user.x", b"2"),), b"content"),
        digest(b"k" * 32, b"/a", (), b"content"),
        digest(b"k" * 32, b"/a", ((b"user.x", b"1"),), b"content2"),
    ]
    assert len({same, *others}) == 6


def test_the_attributes_of_the_system_stay_in_the_clear() -> None:
    every = (
        (b"security.capability", b"c"),
        (b"system.posix_acl_access", b"a"),
        (b"trusted.x", b"t"),
        (b"user.x", b"u"),
    )
    assert keyed.secret(every) == every[2:]
    assert keyed.clear(every) == every[:2]


def test_the_id_of_a_key_comes_after_the_digest() -> None:
    assert keyed.key_id(bytes(32) + b"12345678") == b"12345678"
    assert keyed.key_id(None) == keyed.key_id(b"") == b""
