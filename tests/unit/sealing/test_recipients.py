"""The file of recipients is this machine's own word: what others could write to is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.errors import ConfigError
from pacha.sealing import recipients
from pacha.system import trust
from tests.support.sealing import new_identity, sealers


def test_two_of_them_and_one_too_few(tmp_path: Path) -> None:
    people = sealers(tmp_path.resolve() / "people")
    found = recipients.read(str(people.recipients))
    assert (len(found.keys), found.warning) == (2, "")
    lines = people.recipients.read_text().splitlines()
    people.recipients.write_text("\n\n# other words\n" + "\n".join(reversed(lines)) + "\n")
    assert recipients.read(str(people.recipients)).fingerprint == found.fingerprint
    people.recipients.write_text(lines[0] + "\n" + lines[0] + "\n")
    alone = recipients.read(str(people.recipients))
    assert alone.fingerprint != found.fingerprint and "one recipient" in alone.warning


def test_what_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path.resolve() / "recipients"
    good = new_identity(tmp_path / "identity") + "\n"
    for text in ("", "# none\n", good + "age1wrong\n", good * 3000, "\xff\n"):
        path.write_text(text)
        path.chmod(0o600)
        refused(str(path))
    path.write_text(good)
    path.chmod(0o666)
    assert "everybody may write" in refused(str(path)).why
    path.unlink()
    refused(str(path))
    refused(None)


def test_what_somebody_else_could_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path.resolve() / "recipients"
    path.write_text(new_identity(tmp_path / "identity") + "\n")
    monkeypatch.setattr(trust, "untrusted", lambda path, trusted: (path, "it belongs to user 1234"))
    assert "user 1234" in refused(str(path)).why


def refused(path: str | None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        recipients.read(path)
    assert caught.value.code == "recipients-unusable"
    return caught.value
