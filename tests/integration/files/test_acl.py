"""POSIX ACLs as setfacl makes and getfacl reads them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pacha.files import acl

ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"


def test_as_setfacl_and_getfacl_have_it(tmp_path: Path, as_root: None) -> None:
    path = tmp_path / "file"
    path.touch()
    subprocess.run(["setfacl", "-m", "u:61001:rw,u:61002:r,g:61003:x", path], check=True)
    read = os.getxattr(path, ACCESS)
    assert acl.numbers(((ACCESS, read),)) == ({61001, 61002}, {61003})
    made, lost = acl.mapped(((ACCESS, read),), {61001: 61009, 61002: None}.get, {61003: 5}.get)
    os.setxattr(path, ACCESS, made[0][1])
    lines = subprocess.run(["getfacl", "-ncp", path], check=True, capture_output=True, text=True).stdout.split()
    assert {"user:61009:rw-", "group:5:--x"} <= set(lines) and "user:61002:r--" not in lines
    assert lost == ("user 61002",)
