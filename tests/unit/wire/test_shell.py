"""Words that any shell takes as they are."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pacha.wire.shell import quote

WORDS = ("plain", "/srv/a b", "it's", "ho!sts", "!", "a!b!!c", '$HOME `id` \\ " * ? ~ # { [a] ;|&<>() %1 ^', "\xe9")


@pytest.mark.parametrize("shell", ["sh", "bash", "tcsh", "busybox"])
@pytest.mark.parametrize("word", WORDS)
def test_a_word_stays_what_it_is(shell: str, word: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run([*command, "-c", f"/usr/bin/printf %s {quote(word)}"], capture_output=True)
    assert (done.stdout.decode(), done.stderr) == (word, b"")


def test_what_needs_no_quotes_has_none() -> None:
    assert quote("/pacha/hosts/bar") == "/pacha/hosts/bar"
