"""Writes ``docs/errors.rst``, the page of every error, from the source and from ``docs/errors.ini``.

``python docs/errors.py > docs/errors.rst``. The source has the messages and their codes, ``errors.ini`` what people
wrote about them. A test compares the page with both.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
_WIDTH = 118
_EXIT_CODES = {"FAILED": 1, "USAGE": 2, "CONCERNS": 3, "CONFIG": 10, "UNREACHABLE": 11, "LOCKED": 12, "DAMAGED": 13}
_TITLES = {
    1: "Failed, nothing lost", 2: "Usage", 3: "Done, with something to look at", 10: "The configuration",
    11: "The master is not reached", 12: "Another run is at work", 13: "What came from the master is damaged",
}  # fmt: skip
#: Names in the code that would say little in the manual.
_SPELT = {
    **dict.fromkeys(["ways", "candidates", "related", "whole", "watched", "inside", "missing"], "path"),
    **dict.fromkeys(["target", "parent", "ssh_config", "top"], "path"),
    "keys": "authorized_keys", "near": "command", "pw_name": "account", "shown": "when", "wrong": "name",
}  # fmt: skip
_PASSED_OVER = ("self", "os", "errand", "here", "session", "context")
_HEAD = """\
.. Written by docs/errors.py from the source and docs/errors.ini: change those, and run it again.

Messages
========

Every error that Pacha can tell of has three lines at the most: what failed, why, and what to do next. The lines on
the screen name the paths, hosts and numbers in question; here a word in angle brackets or in *italics* stands for
each. The exit codes are those of :doc:`exit-codes`.

Each error has a code, which stays the same when its words change. ``-v`` shows it behind the first line, as in
``pacha: There is no configuration. [no-configuration]``.

Lines about single paths ("not kept", "not restored") are not errors: they are named on stderr, the rest is done, and
the exit code is 3. ``a fault in Pacha itself`` is one; the file that it names says what a report should have in it.
"""


@dataclass(frozen=True)
class Raised:
    """One error as the source has it: where, its kind, the expressions of its message, hint and code."""

    module: str
    line: int
    kind: str
    exit_code: int
    message: ast.expr
    hint: ast.expr | None
    code: ast.expr | None

    @property
    def text(self) -> str | None:
        """The message with a placeholder for each value; None where the message is a value itself."""
        text = template(self.message)
        return None if text is None or re.fullmatch(r"<\w+>", text) else text

    @property
    def constant(self) -> str | None:
        """The code; None where it is a value."""
        return self.code.value if isinstance(self.code, ast.Constant) and isinstance(self.code.value, str) else None


@dataclass(frozen=True)
class Listed:
    """A section of the page: a code, the messages that have it, the cause and the cure."""

    code: str
    exit_code: int
    messages: tuple[str, ...]
    cause: str
    cure: str


def template(node: ast.expr) -> str | None:
    """The text of a (formatted) string, its values as ``<name>``; None for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(str(p.value) if isinstance(p, ast.Constant) else f"<{_name_of(p)}>" for p in node.values)


def _name_of(part: ast.expr) -> str:
    """The most telling name in a value: the first one that is not a function."""
    called = {id(node.func) for node in ast.walk(part) if isinstance(node, ast.Call)}
    names = [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in called
    ]
    name = next((name for name in names if name not in _PASSED_OVER), "value").strip("_").lower()
    return _SPELT.get(name, name)


@cache
def raised() -> tuple[Raised, ...]:
    """Every place that makes an error. A kind that has a constructor of its own makes it there."""
    paths = sorted((CHECKOUT / "pacha").rglob("*.py"))
    nodes = {path: list(ast.walk(ast.parse(path.read_text("utf-8")))) for path in paths}
    classes = {node.name: node for found in nodes.values() for node in found if isinstance(node, ast.ClassDef)}
    kinds = {name: code for name, node in classes.items() if (code := _exit_code(node, classes))}
    own = {name for name in kinds if name != "PachaError" and any(map(_is_constructor, classes[name].body))}
    inside = {id(call): name for name in own for call in ast.walk(classes[name])}
    errors = []
    for path, found in nodes.items():
        for call in found:
            if isinstance(call, ast.Call) and call.args and (kind := _kind_of(call, kinds.keys(), own, inside)):
                named = {one.arg: one.value for one in call.keywords}
                hint = call.args[2] if len(call.args) > 2 else named.get("hint")
                where = path.relative_to(CHECKOUT / "pacha").as_posix()
                code = named.get("code")
                errors.append(Raised(where, call.lineno, kind, kinds[kind], call.args[0], hint, code))
    return tuple(errors)


def _is_constructor(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _exit_code(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> int:
    """The exit code of a kind of PachaError, by what it or one above it says; 0 for any other class."""
    for statement in node.body:
        target = statement.target if isinstance(statement, ast.AnnAssign) else getattr(statement, "targets", [None])[0]
        if getattr(target, "id", "") == "exit_code":
            return _EXIT_CODES[statement.value.attr]  # type: ignore[union-attr]
    names = (getattr(base, "id", "") for base in node.bases)
    above = (classes[name] for name in names if name in classes and name != node.name)
    return next((code for one in above if (code := _exit_code(one, classes))), 0)


def _kind_of(call: ast.Call, kinds: object, own: set[str], inside: Mapping[int, str]) -> str:
    """The kind of error that ``call`` makes, "" for anything else."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name == "__init__":
        return inside.get(id(call), "")
    is_of_click = getattr(getattr(call.func, "value", None), "id", "") == "click"
    return name if name in kinds and name not in own and not is_of_click else ""  # type: ignore[operator]


def explanations() -> dict[str, dict[str, str]]:
    """What ``errors.ini`` says, by code."""
    parser = ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=(";",))
    parser.read(CHECKOUT / "docs" / "errors.ini", "utf-8")
    return {code: dict(parser[code]) for code in parser.sections()}


def listed() -> list[Listed]:
    """Every code, by exit code and message."""
    exits: dict[str, int] = {}
    messages: dict[str, set[str]] = defaultdict(set)
    for one in raised():
        if one.constant:
            exits[one.constant] = one.exit_code
            messages[one.constant] |= {one.text} if one.text else set()
    sections = []
    for code, said in explanations().items():
        texts = messages[code] or set(filter(None, said.get("message", "").splitlines()))
        exit_code = exits.get(code) or int(said.get("exit", 0))
        cause, cure = (" ".join(said.get(word, "").split()) for word in ("cause", "cure"))
        sections.append(Listed(code, exit_code, tuple(sorted(texts, key=_in_order)), cause, cure))
    return sorted(sections, key=lambda one: (one.exit_code, _in_order((one.messages or ("",))[0]), one.code))


def _in_order(text: str) -> str:
    return text.lower().lstrip("'<-")


def page() -> str:
    """The whole page, as reStructuredText."""
    parts, before = [_HEAD], 0
    for one in listed():
        if one.exit_code != before:
            title = f"{_TITLES[one.exit_code]}: exit code {one.exit_code}"
            parts.append(f"{title}\n{'-' * len(title)}\n")
            before = one.exit_code
        parts.append(_section(one))
    return "\n".join(parts)


def _section(one: Listed) -> str:
    cure = f"*Cure:* {one.cure}" if one.cure else ""
    text = " ".join(filter(None, [f"[{one.code}]", one.cause, cure]))
    head, *more = one.messages
    also = "".join(f"   | ``{message}``\n" for message in more)
    body = textwrap.fill(text, _WIDTH, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False)
    return f"``{head}``\n{body}\n" + (f"\n   Also:\n\n{also}" if also else "")


if __name__ == "__main__":
    sys.stdout.write(page())
