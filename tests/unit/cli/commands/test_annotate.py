"""annotate shows the snapshot that brought in each line of a file."""

from __future__ import annotations

import json

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_lines_as_text_and_as_json(shell: Shell) -> None:
    file = shell.bar.tree / "one"
    tips = [shell.bar.push("the first").tip]
    file.write_bytes(b"one\ntwo \xff")
    tips.append(shell.bar.push("the second").tip)
    assert [line.split()[0] for line in shell.run("annotate", file, "--at", tips[0]).splitlines()] == [tips[0][:12]]
    lines = json.loads(shell.run("annotate", "--json", file))
    assert [(line["id"], line["message"]) for line in lines] == [(tips[0], "the first"), (tips[1], "the second")]
    assert [line["text"] for line in lines] == ["one", "two \udcff"] and "@" in lines[0]["user"]
    shell.run("annotate", shell.bar.tree, code=2)
