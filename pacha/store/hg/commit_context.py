"""What Mercurial commits: names whose content is asked for one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mercurial import context, scmutil
from mercurial import node as nodes

from pacha.store.revision import Content, Note


class CommitContext(context.memctx):  # type: ignore[misc]
    """A memctx that asks for content only when it is needed, and does not keep it.

    Mercurial's own memoizes every file, and reads each to distinguish modified from removed ones.
    """

    def __init__(
        self,
        repo: Any,
        *,
        parent: str,
        written: Iterable[bytes],
        removed: Iterable[bytes],
        content: Content,
        note: Note,
    ) -> None:
        written, removed = sorted(written), sorted(removed)
        parents = (nodes.bin(parent), nodes.nullid)
        super().__init__(
            repo, parents, note.message.encode("utf-8", "replace"), sorted(written + removed), lambda *_: None,
            user=note.user.encode("utf-8", "replace"), date=(int(note.at), 0), extra={},
        )  # fmt: skip
        before = repo[parents[0]].manifest()
        self._status = scmutil.status(
            [n for n in written if n in before], [n for n in written if n not in before],
            [n for n in removed if n in before], [], [], [], [],
        )  # fmt: skip
        self._filectxfn = self._file_maker(repo, content)

    def _file_maker(self, repo: Any, content: Content) -> Callable[..., Any]:
        def make(_repo: Any, _ctx: Any, name: bytes) -> Any:
            blob = content(name)
            if blob is None:
                return None
            return context.memfilectx(repo, self, name, blob.data, islink=blob.is_link, isexec=blob.is_executable)

        return make
