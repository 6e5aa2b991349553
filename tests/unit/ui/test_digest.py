"""A digest as text and JSON; what a mail has no room for is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacha.fleet.digest_reply import NEW, REPLACED, HostDigest, PathChange
from pacha.ui import console
from pacha.ui import digest as shown
from tests.support.digests import HOST, NONE, made


def test_lines() -> None:
    lines = list(shown.digest_lines(made(HOST, db1="its db is damaged")))
    assert lines[0].startswith("1 host changed from 2001-09-09") and lines[1] == "db1: its db is damaged"
    assert lines[3] == "web1: 1 added, 1 changed, 1 package, 1 changed and changed back (25 snapshots)"
    assert lines[4].endswith("by root@web1: why") and "24 earlier" in lines[5]
    assert lines[6:] == [
        "  M /etc/motd", "      @@ -1,1 +1,1 @@", "      -a", "      +b", "      and 7 more lines",
        "  A /etc/shadow  (mode 0600, root:root; not shown: others may not read it)",
        "  and 3 more paths (pacha changes --hosts web1 -v)", "  P nginx 1 -> 2",
        "  changed and changed back: /etc/hosts",
    ]  # fmt: skip


def test_subject_and_summaries() -> None:
    assert shown.subject(made(HOST, HOST), "m") == "pacha on m: 2 hosts changed"
    assert shown.subject(made(x="y"), "m") == "pacha on m: no host changed, 1 cannot be read"
    new = HostDigest(host="a", tip="a" * 40, kind=NEW, counts={**NONE, "added": 5}, snapshots=1)
    assert shown.summary(new) == "new, with 5 paths"
    other = HostDigest(host="a", tip="a" * 40, kind=REPLACED, counts={**NONE, "added": 5}, snapshots=1)
    assert "another than before" in shown.summary(other)
    assert shown.summary(HostDigest(host="a", tip="a" * 40, counts=NONE, snapshots=1)) == "no path changed"


def test_a_mail_names_what_it_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "MOST_OF_MAIL", 700)
    text = shown.mail_text(made(*(replace(HOST, host=name) for name in ("a", "b", "c"))))
    assert text.count("M /etc/motd") == 1 and "no room for 2 hosts more" in text
    assert "\na: 1 added" in text and "\n  b: 1 added, 1 changed" in text and "\n  c: 1 added" in text


def test_a_host_that_fills_a_mail_crowds_out_itself_alone() -> None:
    """In bytes as they are sent: a mail system refuses what is too large (10 MB with Postfix), every day anew."""
    many = tuple(PathChange(letter="A", path="/" + "\U0001f600" * 250) for _ in range(2000))
    text = shown.mail_text(made(replace(HOST, host="aaa", paths=many), HOST))
    assert "M /etc/motd" in text and "\n  aaa: 1 added" in text and text.count("\U0001f600") == 0
    few = replace(HOST, host="aaa", paths=many[:50])
    assert "\U0001f600" in shown.mail_text(made(few, HOST))


def test_no_colours_in_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "is_coloured", lambda: True)
    assert "\x1b" in "".join(shown.digest_lines(made(HOST))) and "\x1b" not in shown.mail_text(made(HOST))


def test_json() -> None:
    values = shown.digest_json(made(HOST, db1="damaged"))
    (host,) = values["hosts"]
    assert (
        host["host"] == "web1"
        and host["paths"][0]["diff"][1:] == ["-a", "+b"]
        and host["paths"][0]["lines_left_out"] == 7
    )
    assert host["paths"][1]["hidden"] == "others may not read it" and host["paths_left_out"] == 3
    assert values["faults"] == {"db1": "damaged"} and values["since"] == "2001-09-09T01:46:40Z"
