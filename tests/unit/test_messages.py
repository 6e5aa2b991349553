"""Every error of the program says what failed and what to do next, in one form, and the manual lists it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = {
    "PachaError", "UsageError", "ConfigError", "UnreachableError", "LockedError", "DamagedError",
    "UntoldError", "NoRepository", "RolledBack", "NoHost", "RemoteError",
}  # fmt: skip
#: Raised without a hint of its own, and why: by module and source of the message.
WITHOUT_HINT = {
    ("system/child.py", "*answer['error']"): "passes on what, why and hint of another process",
    ("cli/app.py", "f\"{error.message} Did you mean '{near[0]}'?\""): "click's own error, which names the command",
}
#: Names in the code that would say little in the manual.
SPELT = {
    **dict.fromkeys(["ways", "whole", "watched", "inside", "missing", "target", "parent", "ssh_config", "top"], "path"),
    "keys": "authorized_keys", "near": "command", "pw_name": "account", "said": "when", "wrong": "name",
}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One error as the source has it: where, the sources of its message and of its hint."""

    module: str
    line: int
    message: str
    hint: str | None

    @property
    def texts(self) -> list[str]:
        """The message with a placeholder for each value; none where the message is a value itself."""
        node = ast.parse(self.message, mode="eval").body if not self.message.startswith("*") else None
        text = template(node) if node else None
        return [] if text is None or re.fullmatch(r"<\w+>", text) else [text]


def template(node: ast.expr) -> str | None:
    """The text of a (formatted) string, its values as ``<name>``; None for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(p.value if isinstance(p, ast.Constant) else f"<{name_of(p)}>" for p in node.values)  # type: ignore[misc]


def name_of(part: ast.expr) -> str:
    """The most telling name in a value: the last one that is no function."""
    called = {id(node.func) for node in ast.walk(part) if isinstance(node, ast.Call)}
    names = [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in called
    ]
    name = next((name for name in names if name not in ("self", "os", "errand", "here")), "value").strip("_").lower()
    return SPELT.get(name, name)


def makes_an_error(call: ast.Call) -> bool:
    """Whether a PachaError is made here, or told its words by a kind of it."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    return bool(call.args) and (name in KINDS or (name == "__init__" and len(call.args) == 3))


def errors() -> Iterator[Said]:
    for path in sorted((CHECKOUT / "pacha").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and makes_an_error(node):
                named = {one.arg: one.value for one in node.keywords}
                hint = node.args[2] if len(node.args) > 2 else named.get("hint")
                where = path.relative_to(CHECKOUT / "pacha").as_posix()
                yield Said(where, node.lineno, ast.unparse(node.args[0]), ast.unparse(hint) if hint else None)


ALL = list(errors())
TEXTS = sorted({text for said in ALL for text in said.texts if (said.module, said.message) not in WITHOUT_HINT})


@pytest.mark.parametrize("said", ALL, ids=lambda said: f"{said.module}:{said.line}")
def test_an_error_says_what_to_do_next(said: Said) -> None:
    assert said.hint not in ("''", '""')
    assert said.hint or (said.module, said.message) in WITHOUT_HINT, f"{said.module}:{said.line}: {said.message}"


@pytest.mark.parametrize("text", TEXTS)
def test_a_message_is_a_sentence(text: str) -> None:
    assert re.match(r"[A-Z'<-]|pacha\.|systemctl ", text), text
    assert text.endswith((".", "?")), text
    assert "\n" not in text


def test_hints_are_sentences_or_end_in_a_command() -> None:
    for said in ALL:
        node = ast.parse(said.hint, mode="eval").body if said.hint else None
        text = template(node) if node else None
        if text and not re.fullmatch(r"<\w+>", text):
            assert re.match(r"[A-Z'<-]|pacha\.", text), f"{said.module}:{said.line}: {text}"
            assert text.endswith((".", "?", ">")) or ": " in text, f"{said.module}:{said.line}: {text}"


def test_no_reason_stands_for_an_error_that_is_gone() -> None:
    assert set(WITHOUT_HINT) <= {(said.module, said.message) for said in ALL}


def listed() -> list[str]:
    """The messages that the manual has a section for."""
    page = (CHECKOUT / "docs" / "errors.rst").read_text("utf-8")
    return re.findall(r"^``(.+)``\n(?=   \S)", page, re.MULTILINE)


def test_the_manual_lists_every_message_once_and_no_other() -> None:
    found = listed()
    assert sorted(found) == sorted(set(found))
    assert set(found) == set(TEXTS)


if __name__ == "__main__":  # which messages there are
    print("\n".join(TEXTS))
