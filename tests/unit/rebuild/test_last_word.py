"""The words about who signed, and how long ago. ``stories/test_signed`` has the comparison itself."""

from __future__ import annotations

import time

from pacha.rebuild.last_word import SignedBy


def test_the_plan_says_who_signed_and_how_old_the_last_word_is() -> None:
    signed = SignedBy(host="bar", key="SHA256:abc", at=1_790_000_000, counter=3)
    assert signed.words.startswith("Signed by the key SHA256:abc of 'bar' at 2026-09-21 ")
    assert signed.words.endswith("(number 3).")
    heard = SignedBy(host="bar", key="SHA256:abc", at=1_790_000_000, counter=3, heard=time.time() - 3 * 3600)
    assert heard.words.endswith("(number 3); its newest signed heartbeat is 3 hours old.")
