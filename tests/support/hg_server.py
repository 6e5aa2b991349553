"""A repository behind ``pacha serve``, as a key of its host gets it, and bundles to send there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mercurial import bundle2, util

from pacha.store import hg
from pacha.store.hg import runtime
from pacha.wire.master import temporary_name

PACHA = Path(sys.executable).with_name("pacha")
NEW = temporary_name("new")


@contextmanager
def served(hosts: Path, *rights: str, name: str = "foo") -> Iterator[Any]:
    """Mercurial's peer of a repository, as a key with these rights gets it."""
    command = [PACHA, "serve", "bar", "--hosts-path", hosts, "--repository", name, *rights]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with hg.open_peer(process, name, new=name == NEW) as peer:  # type: ignore[arg-type]
            yield peer
        assert process.stdin is not None
        process.stdin.close()


def bundle(*parts: tuple[bytes, bytes, dict[bytes, bytes]]) -> Any:
    """A bundle of parts (kind, content, parameters), to which an answer is wanted."""
    made = bundle2.bundle20(runtime.quiet_ui())
    for kind, data, parameters in ((b"replycaps", b"HG20", {}), *parts):
        part = made.newpart(kind, data=data)
        for name, value in parameters.items():
            part.addparam(name, value)
    return util.chunkbuffer(made.getchunks())


def history(path: Path) -> dict[str, bytes]:
    """The files of a repository's history."""
    store = path / ".hg" / "store"
    return {str(one.relative_to(store)): one.read_bytes() for one in store.rglob("*.[id]")}
