"""What of the host's files apt reads, what is said of it, and that no other file is ever taken."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from pacha.machine.packages import apt_sources
from pacha.machine.packages.installer import Source
from pacha.machine.packages.package_list import SourceFile

LIST = b"""# deb http://off.example.com x main
deb [arch=amd64 signed-by=/usr/share/keyrings/v.gpg] https://user:secret@v.example.com/apt stable main
deb-src http://s.example.com x main
deb [trusted=yes] file:/srv/repo ./
"""
DEB822 = b"""Types: deb
URIs: http://d.example.com/debian
Suites: bookworm bookworm-updates
Signed-By:
 /etc/apt/keyrings/d.asc

Types: deb
Enabled: no
URIs: http://off.example.com
Suites: x
"""
FILES = (
    SourceFile(path="/etc/apt/sources.list", content=LIST),
    SourceFile(path="/etc/apt/sources.list.d/d.sources", content=DEB822),
    SourceFile(path="/etc/apt/keyrings/d.asc", content=b"key d"),
    SourceFile(path="/usr/share/keyrings/v.gpg", content=b"key v"),
    SourceFile(path="/etc/apt/preferences.d/pin", content=b"Pin\n"),
    SourceFile(path="/etc/apt/auth.conf.d/v", content=b"password\n"),
    SourceFile(path="/etc/apt/trusted.gpg.d/t.gpg", content=b"key t"),
    SourceFile(path="/etc/apt/apt.conf.d/10run", content=b"DPkg::Pre-Invoke"),
    SourceFile(path="/root/.ssh/authorized_keys", content=b"forged"),
    SourceFile(path="/etc/apt/sources.list.d/deep/x.list", content=b"deb http://forged x y"),
    SourceFile(path="/usr/share/keyrings/unnamed.gpg", content=b"key u"),
)


def test_sources_are_told_without_passwords() -> None:
    listed, deb822 = "/etc/apt/sources.list", "/etc/apt/sources.list.d/d.sources"
    assert apt_sources.sources(FILES) == (
        Source(uri="file:/srv/repo", suites="./", path=listed, unsigned=True),
        Source(uri="https://v.example.com/apt", suites="stable", path=listed, key="/usr/share/keyrings/v.gpg"),
        Source(
            uri="http://d.example.com/debian",
            suites="bookworm bookworm-updates",
            path=deb822,
            key="/etc/apt/keyrings/d.asc",
        ),
    )


@pytest.mark.parametrize(
    ("name", "text", "uris", "unsigned"),
    [
        ("list", "deb [tr%75sted=yes] http://a.example s main\n", "a", True),
        ("list", "deb [trusted=enable] http://a.example s main\n", "a", True),
        ("list", "deb [allow-insecure=yes] http://a.example s main\n", "a", True),
        ("list", "deb [trusted=no] http://a.example s main\ndeb\vhttp%3a//b.example s main\n", "ab", False),
        ("list", 'deb "http://u:p%2f@a.example" s main\n', "a", False),
        ("sources", "Types:\n deb\nURIs:\n http://a.example\n# one more\n http://b.example\nSuites: s\n", "ab", False),
        ("sources", "Types: deb-src deb\nURIs : http://a.example\nSuites: s\nEnabled: no\n yes\n", "a", False),
        ("sources", "Types: deb\nURIs: http://a.example\nSuites: s\nTrusted:\n on\n", "a", True),
        (
            "sources",
            "Types: deb\nURIs: http://a.example\nURIs: http://b.example\nSuites: s\nTrusted: no\n",
            "ab",
            False,
        ),
    ],
)
def test_no_source_is_hidden_that_apt_asks(name: str, text: str, uris: str, unsigned: bool, tmp_path: Path) -> None:
    text = text.replace("Suites: s\n", "Suites: s\nComponents: main\n")
    told = apt_sources.sources([SourceFile(path=f"/etc/apt/sources.list.d/x.{name}", content=text.encode())])
    assert {one.uri for one in told} == {f"http://{letter}.example" for letter in uris}
    assert any(one.unsigned for one in told) is unsigned
    assert {f"{one.uri}/" for one in told} >= asked_by_apt(tmp_path, name, text)


def asked_by_apt(folder: Path, name: str, text: str) -> set[str]:
    """The sources that apt itself would ask, without passwords; none where there is no apt."""
    if not shutil.which("apt-get"):
        return set()
    (folder / f"x.{name}").write_text(text)
    places = ["-o", "Dir::Etc::sourcelist=/nonexistent", "-o", f"Dir::Etc::sourceparts={folder}"]
    asked = ["apt-get", "indextargets", "--no-release-info", *places, "--format", "$(REPO_URI)", "Created-By: Packages"]
    ended = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert ended.stdout
    return {re.sub("//.*@", "//", line) for line in ended.stdout.splitlines()}


def test_a_key_in_the_source_itself_is_told() -> None:
    text = b"Types: deb\nURIs: http://a.example\nSuites: s\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n"
    (told,) = apt_sources.sources([SourceFile(path="/etc/apt/sources.list.d/x.sources", content=text)])
    assert told.key == "a key in that file" and not told.unsigned


def test_only_keys_that_apt_trusted_are_keys() -> None:
    paths = [one.path for one in apt_sources.keys(FILES)]
    assert paths == ["/etc/apt/keyrings/d.asc", "/usr/share/keyrings/v.gpg", "/etc/apt/trusted.gpg.d/t.gpg"]


@pytest.mark.parametrize("path", ["/etc/cron.d/forged", "/etc/profile.d/x.sh", "/etc/x.gpg.conf"])
def test_a_key_has_the_name_of_one(path: str) -> None:
    line = f"deb [signed-by={path}] http://x y z\n".encode()
    files = (SourceFile(path="/etc/apt/sources.list", content=line), SourceFile(path=path, content=b"forged"))
    assert apt_sources.keys(files) == () and apt_sources.of_apt(files) == files[:1]


def test_no_other_file_is_taken() -> None:
    taken = {one.path for one in apt_sources.of_apt(FILES)}
    assert taken == {one.path for one in FILES[:7]}


def test_the_folder_that_apt_reads(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "folder"
    folder.mkdir()
    (root / "usr/share/keyrings").mkdir(parents=True)
    (root / "usr/share/keyrings/v.gpg").write_text("own v")
    (root / "etc/apt/trusted.gpg.d").mkdir(parents=True)
    for name in ("own.gpg", "t.gpg"):
        (root / "etc/apt/trusted.gpg.d" / name).write_text("own")
    options = apt_sources.write_tree(FILES, folder, root)
    assert f"Dir::Etc::sourcelist={folder}/sources.list" in options and set(options[::2]) == {"-o"}
    assert (folder / "sources.list").read_bytes() == LIST  # this machine has that key
    moved = (folder / "sources.list.d/d.sources").read_text()
    assert f"Signed-By:\n {folder}/key-0.asc\n" in moved and (folder / "key-0.asc").read_text() == "key d"
    assert (folder / "trusted.gpg.d/own.gpg").read_text() == "own"
    assert (folder / "trusted.gpg.d/t.gpg").read_text() == "key t"
    assert stat.S_IMODE((folder / "auth.conf.d/v").stat().st_mode) == 0o600
    assert not [path for path in folder.rglob("*") if "forged" in path.name or path.name in ("10run", "x.list")]


@pytest.mark.parametrize(
    "text", [b"", b"deb", b"deb [", b"\xff\xfe deb [signed-by=/", b"Types: deb\nURIs:", b"[" * 10000]
)
def test_nonsense_is_no_source(text: bytes) -> None:
    for name in ("x.list", "x.sources"):
        assert apt_sources.sources([SourceFile(path=f"/etc/apt/sources.list.d/{name}", content=text)]) == ()


@pytest.mark.parametrize(
    "text", ["deb [x\n" * 100_000, f"deb [signed-by={'/' * 500_000}] x y", "signed-by:=" + "/=" * 300_000]
)
@pytest.mark.parametrize("name", ["x.list", "x.sources"])
def test_a_forged_source_takes_no_time(text: str, name: str, tmp_path: Path) -> None:
    began, one = time.monotonic(), SourceFile(path=f"/etc/apt/sources.list.d/{name}", content=text.encode())
    assert not any(source.key for source in apt_sources.sources([one]))
    apt_sources.write_tree([one], tmp_path)
    assert time.monotonic() - began < 5
