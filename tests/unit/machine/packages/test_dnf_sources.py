"""The repositories of a host: what is said of them, what is trusted, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine.packages import dnf_sources
from pacha.machine.packages.installer import Source
from pacha.machine.packages.package_list import SourceFile

OWN = b"""\
[main]
gpgcheck=0
[base]
name=Rocky $releasever
mirrorlist=https://mirrors.example/$basearch?x=1
cachedir=/etc
sslverify=1
gpgkey=file:///etc/pki/rpm-gpg/KEY-$releasever
[off]
baseurl=http://off.example
enabled=0
[../../etc]
baseurl=http://evil.example
"""
VENDOR = b"""\
[vendor]
baseurl=https://user:secret@vendor.example/9
        https://two.example/9
gpgcheck=no
gpgkey=file:///usr/share/vendor/KEY https://vendor.example/KEY
       http://vendor.example/PLAIN
"""
FILES = (
    SourceFile(path="/etc/dnf/dnf.conf", content=b"[main]\ngpgcheck=1\n"),
    SourceFile(path="/etc/dnf/vars/stream", content=b"9-stream\n"),
    SourceFile(path="/etc/passwd", content=b"forged"),
    SourceFile(path="/etc/pki/rpm-gpg/KEY-9", content=b"key 9"),
    SourceFile(path="/etc/pki/rpm-gpg/OTHER", content=b"other"),
    SourceFile(path="/etc/yum.repos.d/own.repo", content=OWN),
    SourceFile(path="/etc/yum.repos.d/vendor.repo", content=VENDOR),
    SourceFile(path="/usr/share/vendor/KEY", content=b"vendor"),
)


def test_what_is_said_of_them() -> None:
    assert dnf_sources.sources(FILES) == (
        Source(
            uri="https://mirrors.example/$basearch?x=1", suites="base", path="/etc/yum.repos.d/own.repo",
            key="/etc/pki/rpm-gpg/KEY-$releasever",
        ),
        *(
            Source(
                uri=uri, suites="vendor", path="/etc/yum.repos.d/vendor.repo",
                key="/usr/share/vendor/KEY, https://vendor.example/KEY", unsigned=True,
            )
            for uri in ("https://two.example/9", "https://vendor.example/9")
        ),
    )  # fmt: skip


def test_variables_stand_where_they_are_shown_and_no_other_is_left_to_dnf(tmp_path: Path) -> None:
    text = "[x]\nbaseurl=http://$where/$basearch,http://${where}/2\ngpgkey=file:///k/$up\nproxy=http://u:p@$where\n"
    files = [
        SourceFile(path="/etc/dnf/vars/where", content=b"evil.example\nmore"),
        SourceFile(path="/etc/dnf/vars/up", content=b"../../etc/shadow"),
        SourceFile(path="/etc/yum.repos.d/x.repo", content=f"{text}sslverify=0\n".encode()),
        SourceFile(path="/etc/yum/vars/where", content=b"good.example"),
    ]
    told = dnf_sources.sources(files)
    assert [one.uri for one in told] == ["http://evil.example/$basearch", "http://evil.example/2"]
    assert {(one.proxy, one.unverified, one.key) for one in told} == {("http://evil.example", True, "")}
    dnf_sources.write_tree(files, tmp_path / "folder", tmp_path)
    assert "http://evil.example/$basearch,http://evil.example/2" in (tmp_path / "folder/repos/host.repo").read_text()
    assert not list((tmp_path / "folder/vars").iterdir())


@pytest.mark.slow
def test_forged_variables_do_not_grow_without_end() -> None:
    long = [
        SourceFile(path="/etc/dnf/vars/a", content=b"x" * 1000),
        SourceFile(path="/etc/yum.repos.d/x.repo", content=b"[x]\nbaseurl=http://$a\n"),
    ]
    assert dnf_sources.sources(long)[0].uri == "http://$a"
    many = [
        SourceFile(path="/etc/dnf/vars/a", content=b"x" * 100),
        SourceFile(path="/etc/yum.repos.d/x.repo", content=b"[x]\nbaseurl=" + b"$a" * (1 << 20)),
    ]
    assert len(dnf_sources.sources(many)[0].uri) == 2 << 20


def test_the_keys_that_they_name() -> None:
    assert [one.path for one in dnf_sources.keys(FILES)] == ["/etc/pki/rpm-gpg/KEY-9", "/usr/share/vendor/KEY"]
    assert dnf_sources.keys(FILES[:1]) == ()


@pytest.mark.parametrize(
    ("configuration", "unsigned"), [(b"[main]\ngpgcheck=0\n", True), (b"[main]\n", False), (b"nonsense", False)]
)
def test_packages_must_be_signed_unless_the_host_said_no(configuration: bytes, unsigned: bool) -> None:
    files = (SourceFile(path="/etc/dnf/dnf.conf", content=configuration), *FILES[1:])
    assert dnf_sources.sources(files)[0].unsigned is unsigned


def test_what_may_be_written_is_read_by_dnf_alone() -> None:
    paths = ["/etc/cron.d/key.gpg", "/etc/dnf/dnf.conf", "/etc/yum.repos.d/x.repo.sh", "/etc/dnf/plugins/x.conf"]
    forged = [SourceFile(path=path, content=b"x") for path in paths]
    assert dnf_sources.of_dnf(forged) == ()
    assert [one.path for one in dnf_sources.of_dnf(FILES)] == [
        "/etc/dnf/vars/stream",
        "/etc/pki/rpm-gpg/KEY-9",
        "/etc/pki/rpm-gpg/OTHER",
        "/etc/yum.repos.d/own.repo",
        "/etc/yum.repos.d/vendor.repo",
    ]


def test_the_folder_that_dnf_reads(tmp_path: Path) -> None:
    folder, root = tmp_path / "folder", tmp_path / "root"
    (root / "etc/pki/rpm-gpg").mkdir(parents=True)
    (root / "etc/pki/rpm-gpg/KEY-9").write_text("own key")
    options = dnf_sources.write_tree(FILES, folder, root)
    assert options == (f"--setopt=reposdir={folder}/repos", f"--setopt=varsdir={folder}/vars")
    text = (folder / "repos/host.repo").read_text()
    assert text == (
        "[base]\nname=Rocky $releasever\nmirrorlist=https://mirrors.example/$basearch?x=1\nsslverify=1\ngpgcheck=1\n"
        f"gpgkey=file://{folder}/keys/etc/pki/rpm-gpg/KEY-$releasever\nenabled=1\n\n"
        "[vendor]\nbaseurl=https://user:secret@vendor.example/9\n https://two.example/9\ngpgcheck=0\n"
        f"gpgkey=file://{folder}/keys/usr/share/vendor/KEY\n https://vendor.example/KEY\nenabled=1\n"
    )
    assert (folder / "repos/host.repo").stat().st_mode & 0o777 == 0o600  # it may hold a password
    assert (folder / "keys/etc/pki/rpm-gpg/KEY-9").read_text() == "own key"
    assert (folder / "keys/usr/share/vendor/KEY").read_text() == "vendor"


@pytest.mark.parametrize(
    "content",
    [
        b"no section\n[x\n", b"\xff\xfe[x]\nbaseurl=http://x", b"[a b]\nbaseurl=http://x\n", b"[main]\nbaseurl=http://x\n",
        b"[x]\nenabled=no\nbaseurl=http://x\n", b"[x]\nbaseurl\n http://x\n",
    ],
)  # fmt: skip
def test_nonsense_is_no_repository(content: bytes, tmp_path: Path) -> None:
    files = [SourceFile(path="/etc/yum.repos.d/x.repo", content=content)]
    assert dnf_sources.sources(files) == ()
    dnf_sources.write_tree(files, tmp_path / "folder", tmp_path)
    assert (tmp_path / "folder/repos/host.repo").read_text() == ""


def test_an_option_that_hides_another_is_left_out(tmp_path: Path) -> None:
    content = b"[x]\nbaseurl=http://x\nname=a\rcachedir=/etc\ngpgkey=file:///etc/../shadow file:///a\0b ftp://x/k\n"
    (one,) = dnf_sources.repositories([SourceFile(path="/etc/yum.repos.d/x.repo", content=content)])
    assert dict(one.options) == {"baseurl": "http://x"} and one.keys == () and one.checked
