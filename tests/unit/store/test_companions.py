"""The texts beside pacha.db: a snapshot has those that its pacha.db names, unchanged, and no others."""

from __future__ import annotations

import pytest

from pacha.errors import DamagedError
from pacha.store import companions

TEXTS = {"machine": b"what it is\n"}


def reader(name: bytes) -> bytes:
    return TEXTS[name.decode()]


def test_what_pacha_db_names_is_read() -> None:
    assert companions.read("machine", companions.meta(TEXTS), reader) == b"what it is\n"


def test_a_text_that_pacha_db_does_not_name_is_not_of_this_snapshot() -> None:
    assert companions.read("machine", {"host": "bar"}, reader) is None


def test_another_text_is_damage() -> None:
    with pytest.raises(DamagedError) as caught:
        companions.read("machine", companions.meta({"machine": b"what it was\n"}), reader)
    assert caught.value.code == "companion-damaged"
