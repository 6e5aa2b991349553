"""The command line of ``pacha serve``, read without click: its import takes as long as the answer to an idle push."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pacha.server import serve
from pacha.server.command_filter import rights
from pacha.system.proc import require_proc, require_working_directory

_FLAGS = frozenset(["--rebuild-only", "--push-only", "--control"])


def run(words: Sequence[str]) -> int | None:
    """Serve, if ``words`` are spelt as ``pacha add-host`` or a client spells them; returns the exit status.

    None leaves them to click, which knows every spelling. Raises PachaError.
    """
    if len(words) < 4 or words[0] != "serve" or words[2] != "--hosts-path" or words[1].startswith("-"):
        return None
    _, host, _, hosts_path, *options = words
    repository = options.pop() if options[-2:-1] == ["--repository"] else None
    flags = set(options) - ({"--repository"} if repository is not None else set())
    if not flags <= _FLAGS or not hosts_path.startswith("/"):
        return None
    require_proc()
    require_working_directory()
    may = rights(rebuild_only="--rebuild-only" in flags, push_only="--push-only" in flags)
    request = serve.direct("--control" in flags, repository)
    return serve.serve(host, os.fsencode(hosts_path), may, os.environ.get("SSH_ORIGINAL_COMMAND"), request)
