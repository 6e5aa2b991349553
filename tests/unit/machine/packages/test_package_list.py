"""The packages of a machine as a text, and that no forged text reaches a package manager's command line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pacha.errors import DamagedError
from pacha.machine.packages.package_list import Manager, Package, PackageList, SourceFile, decode, encode

LIST = PackageList(
    manager=Manager.APT,
    packages=(
        Package(name="libc6", architecture="i386", version="2.36-9+deb12u9"),
        Package(name="nginx", architecture="amd64", version="1:1.22.1-9~bpo", manual=True, held=True),
        Package(name="own-tool", architecture="all", version="1.0", manual=True, available=False),
    ),
    foreign_architectures=("i386",),
    files=(
        SourceFile(path="/etc/apt/sources.list", content=b"deb http://deb.debian.org/debian bookworm main\n"),
        SourceFile(path="/usr/share/keyrings/own.gpg", content=b"\x99\x01\0key"),
    ),
    alternatives=(("c++", "/usr/bin/clang++"), ("editor", "/usr/bin/vim.basic")),
)


def test_it_comes_back_as_it_was() -> None:
    assert decode(encode(LIST)) == LIST
    assert decode(encode(replace(LIST, alternatives=()))) == replace(LIST, alternatives=())
    assert b'\n  "nginx:amd64": "1:1.22.1-9~bpo manual held",\n' in encode(LIST)


def forged(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(LIST)), **changes}).encode()


@pytest.mark.parametrize(
    "text",
    [
        forged(packages={"--option=x:amd64": "1"}),
        forged(packages={"-oDebug:amd64": "1"}),
        forged(packages={"../etc:amd64": "1"}),
        forged(packages={"nginx:amd64": "-t"}),
        forged(packages={"nginx:amd64": "1\n2"}),
        forged(packages={"nginx\n:amd64": "1"}),
        forged(packages={"ngi nx:amd64": "1"}),
        forged(packages={"nginx:amd64": ""}),
        forged(packages={"nginx:-x": "1"}),
        forged(packages={"nginx": "1"}),
        forged(packages={"nginx:amd64": 1}),
        forged(packages=[1]),
        forged(manager="rm"),
        forged(foreign_architectures=["--x"]),
        forged(foreign_architectures=[f"a{n}" for n in range(51)]),
        forged(files={"etc/apt/x": ["text", ""]}),
        forged(files={"/etc/apt/../passwd": ["text", ""]}),
        forged(files={"/etc/apt/x": ["base64", "?"]}),
        forged(files={"/etc/apt/x": ["else"]}),
        forged(files={"/etc/apt/x": []}),
        forged(alternatives={"--install": "/x"}),
        forged(alternatives={"editor": "vim"}),
        forged(alternatives={"editor": "/a b"}),
        forged(alternatives={"editor": ["/a"]}),
        b"[]",
        b"{}",
        b"[" * 100_000,
    ],
)
def test_a_forged_text_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        decode(text)
    assert caught.value.code == "packages-damaged" and caught.value.why.isprintable()


@pytest.mark.slow
def test_a_text_without_end_is_refused() -> None:
    for text in (b" " * (33 << 20), forged(packages={f"a{n}:all": "1" for n in range(200_001)})):
        with pytest.raises(DamagedError):
            decode(text)
