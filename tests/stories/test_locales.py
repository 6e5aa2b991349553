"""Locales that are not UTF-8: names of files are bytes, and output never ends for want of a character."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.stage import PACHA, Host, alone, changed, picture

NAMES = (
    b"plain", "caf\u00e9 \u20ac".encode(), "\u65e5\u672c".encode(), "\u65e5\u672c".encode("euc-jp"), b"\xe4\xf6",
    b"\xa1\xfe", b"\xa2\xcc", b"\xff\xfe",
)  # fmt: skip
SOURCES = Path("/usr/share/i18n/locales")


def run(host: Host, locale: str, *arguments: str | bytes | Path) -> bytes:
    """What pacha prints in a ``locale``; it must not fail."""
    places = {"LC_ALL": locale, "LOCPATH": str(host.folder), "LANGUAGE": ""}
    environment = host.environment(**places, PYTHONCOERCECLOCALE="0")
    done = subprocess.run([PACHA, *arguments], env=environment, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not SOURCES.exists(), reason="needs the sources of locales (Debian: locales)")
@pytest.mark.parametrize("name", by_turns(["de_DE.ISO-8859-1", "ja_JP.EUC-JP", "zh_TW.BIG5"], 3))
def test_a_push_and_a_rebuild(tmp_path: Path, name: str) -> None:
    host, tree = alone(tmp_path), tmp_path / "tree"
    language, encoding = name.split(".")
    subprocess.run(["localedef", "-i", language, "-f", encoding, host.folder / name], check=True, capture_output=True)
    tree.mkdir()
    for one in NAMES:
        (Path(tree) / one.decode("utf-8", "surrogateescape")).write_bytes(one)
    before = picture(tree)
    run(host, name, "watch", tree)
    run(host, name, "push")
    for path in tree.iterdir():
        path.write_bytes("\u20ac \u00e9 \u65e5\n".encode())
    assert b"\\xff\\xfe" in run(host, name, "-v", "rebuild", "bar", "--dry-run", "--progress", "none")
    run(host, name, "diff")
    shutil.rmtree(tree)
    shown = run(host, name, "rebuild", "bar", "--yes", "--progress", "none")
    assert changed(before, picture(tree)) == [], shown
