"""A digest tells every change and no secret: canaries, kills at any point, a forged host among others.

Two kills of the kind of the day, and one of the ways to tell; ``PACHA_SOAK=1`` makes 50 of each kind, in every way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.cli.exit_code import run_command
from pacha.store import hg
from tests.support.amount import amount, by_turns
from tests.support.fleet import (  # noqa: F401  (fixtures)
    Hosts,
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)
from tests.support.mailing import Mailbox

pytestmark = pytest.mark.soak
KILLS = int(amount("PACHA_KILLS", sample=2, soak=50))
SECRET_NAMES = [
    "shadow", "gshadow", "id_rsa", "id_ed25519", "ssh_host_rsa_key", "tls/server.key", ".pgpass", ".netrc", "app/.env",
    "credentials.json", "api_token", "store.p12", "home.nmconnection", "secrets.yaml", "htpasswd",
]  # fmt: skip
SECRET_LINES = [
    "password = {}", "db_password: {}", "export API_TOKEN={}", "url = postgres://bob:{}@db/x",
    "root:$6$salt${}:1:2:3:::",
    "Authorization: Bearer {}", "requirepass {}", "<password>{}</password>", '"client_secret": "{}"', "psk={}",
]  # fmt: skip
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n"


class Canaries:
    """Texts that are to be found nowhere."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def __call__(self) -> str:
        self.known.append("canary" + "".join(random.choices(string.ascii_lowercase, k=20)))
        return self.known[-1]


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    path.write_text(text)
    path.chmod(mode)


def secrets(tree: Path, canary: Canaries, *, closed: bool = True) -> None:
    """Write every kind of secret."""
    for name in SECRET_NAMES:
        write(tree / name, f"{canary()}\n")
    for number in range(7):
        write(tree / f"private{number}", f"{canary()}\n", 0o600 if number % 2 else 0o640)
        write(tree / f"conf{number}.conf", "open\n" + KEY.format(canary()))
        write(tree / f"closed/{number}/a/b", f"{canary()}\n")
        write(tree / f"opened{number}", f"{canary()}\n", 0o600 if closed else 0o644)
    (tree / "closed").chmod(0o700)
    for number, line in enumerate(SECRET_LINES):
        write(tree / f"app{number}.conf", f"before{number}\n{line.format(canary())}\nafter{number}\n")


def test_no_canary_in_any_of_them(master: MasterShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, canary, hosts = Mailbox.of(tmp_path / "box", monkeypatch), Canaries(), master.hosts
    master.run("digest")
    marks = hosts.top / "hosts/.pacha/digest"
    told = []
    ways = by_turns([("--html", str(tmp_path / "www")), (), ("--mail", "root")], 3)
    for closed in (True, False):  # added; then changed, and some opened to others
        secrets(hosts.tree, canary, closed=closed)
        write(hosts.tree / "plain", f"open-text-{closed}\n")
        hosts.push_tree("web1")
        before = marks.read_bytes()
        for way in ways:
            told.append(master.run("digest", *way))
            marks.write_bytes(before)
        told.append(master.run("digest", "--json"))
    told += [mail.get_content() for mail in box.mails()]
    told += [path.read_text() for path in sorted((tmp_path / "www").glob("digest-*"))]
    assert len(canary.known) >= 100
    assert [canary for canary in canary.known for text in told if canary in text] == []
    telling = [text for text in told if "open-text-" in text]
    assert len(telling) == 2 * (1 + len(ways))
    for text in telling:
        assert "after3" in text and "ssh_host_rsa_key" in text, text[-2000:]


@pytest.fixture(name="ended")
def as_a_process(master: MasterShell) -> Iterator[MasterShell]:
    """The master, whose process may be copied."""
    hg.import_all()
    yield master


def killed(words: list[str], at: float) -> int:
    """Run ``pacha`` in a process of its own, killed after the ``at``-th function call; returns the number of calls."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        calls, process = 0, os.getpid()

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1
            if calls >= at and os.getpid() == process:
                os.kill(process, signal.SIGKILL)

        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            sys.setprofile(count)
            run_command(words)
            sys.setprofile(None)
            os.write(writer, str(calls).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return int(said or b"0")


def points(calls: int) -> Iterator[int]:
    """Where to kill: everywhere, and as often near the end, where it is handed over and remembered."""
    for number in range(KILLS):
        begin = 0 if number % 2 else calls * 0.9
        yield int(begin + (calls - begin) * (number + random.random()) / KILLS)


def pushed(hosts: Hosts, number: int) -> str:
    text = f"change-{number}-{random.randrange(10**9)}"
    write(hosts.tree / "changing", f"{text}\n")
    hosts.push_tree("web1")
    return text


def while_it_mails(ended: MasterShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, words = Mailbox.of(tmp_path / "box", monkeypatch), ["-q", "digest", "--mail", "root"]
    killed(words, float("inf"))
    pushed(ended.hosts, 0)
    calls = killed(words, float("inf"))
    assert calls > 1000
    for number, at in enumerate(points(calls), 1):
        text = pushed(ended.hosts, number)
        killed(words, at)
        assert killed(words, float("inf")) > 0
        telling = [mail for mail in box.mails() if f"+{text}\n" in mail.get_content()]
        assert telling, f"lost: killed at {at} of {calls}"
        # Told twice only if it was killed between the mail and the mark: then it is the same mail once more.
        assert len({mail["Message-ID"] for mail in telling}) == 1 and len(telling) <= 2, (at, calls)
    number_of_mails = len(box.mails())
    killed(words, float("inf"))
    assert len(box.mails()) == number_of_mails


def while_it_writes_a_page(ended: MasterShell, tmp_path: Path, _: pytest.MonkeyPatch) -> None:
    www = tmp_path / "www"
    words = ["-q", "digest", "--html", str(www)]
    killed(words, float("inf"))
    pushed(ended.hosts, 0)
    calls = killed(words, float("inf"))
    for number, at in enumerate(points(calls), 1):
        text = pushed(ended.hosts, number)
        killed(words, at)
        assert killed(words, float("inf")) > 0
        telling = [path for path in www.glob("digest-*.html") if f">+{text}<" in path.read_text()]
        assert len(telling) == 1, f"told {len(telling)} times: killed at {at} of {calls}"
        assert telling[0].name in (www / "index.html").read_text()


@pytest.mark.parametrize("kind", by_turns([while_it_mails, while_it_writes_a_page], 2))
def test_killed(
    kind: Callable[[MasterShell, Path, pytest.MonkeyPatch], None],
    ended: MasterShell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind(ended, tmp_path, monkeypatch)


def test_a_forged_host_costs_its_own_line(master: MasterShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, hosts = Mailbox.of(tmp_path / "box", monkeypatch), master.hosts
    master.run("digest")
    hosts.push("web1", {"motd": "honest\n"})
    hosts.forge("web2", lambda db: db.execute("UPDATE entry SET path = CAST('/etc/../../x' AS BLOB) WHERE rowid = 2"))
    huge = "/" + "n" * 3_000_000
    hosts.forge("db1", lambda db: db.execute("UPDATE entry SET path = CAST(? AS BLOB) WHERE rowid = 2", (huge,)))
    errors = master.both("digest", "--mail", "root", code=3)[1]
    (mail,) = box.mails()
    text = mail.get_content()
    assert "+honest" in text and "web2: " in text and "db1: " in text and len(text) < 20_000
    assert all(character.isprintable() or character == "\n" for character in text + errors)
    assert "1 host changed, 2 cannot be read" in mail["Subject"]
    master.both("digest", "--mail", "root", code=3)
    assert len(box.mails()) == 1


def test_a_forged_host_that_can_be_read(master: MasterShell, tmp_path: Path) -> None:
    hosts = master.hosts
    master.run("digest")
    evil = f"{hosts.tree}/\x1b[31m<script>alert(1)\n\u202e" + "y" * 3000
    hosts.forge(
        "web2", lambda db: db.execute("UPDATE entry SET path = CAST(? AS BLOB) WHERE rowid = 2", (evil,)), at=9e9
    )
    marks = (hosts.top / "hosts/.pacha/digest").read_bytes()
    values = json.loads(text := master.both("digest", "--json", code=0)[0])
    assert all(character.isprintable() or character == "\n" for character in text) and values["hosts"]
    (hosts.top / "hosts/.pacha/digest").write_bytes(marks)
    master.run("digest", "--html", tmp_path / "www")
    pages = "".join(path.read_text() for path in (tmp_path / "www").iterdir())
    assert "<script" not in pages and "\x1b" not in pages and "\u202e" not in pages
