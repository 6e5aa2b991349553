"""Every error of the program says what failed and what to do next, in one form, and the manual lists it."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.support.sources import tree_of

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"


def _manual() -> ModuleType:
    spec = importlib.util.spec_from_file_location("errors_of_the_manual", DOCS / "errors.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MANUAL = _manual()


def errors() -> tuple[Any, ...]:
    """Every place in the program that makes an error."""
    found: tuple[Any, ...] = MANUAL.raised()
    return found


@cache
def texts() -> list[str]:
    """Their messages."""
    return sorted({one.text for one in errors() if one.text})


def where(found: Iterable[Any]) -> list[str]:
    """The place of each error in the source, with its message."""
    return [f"{error.module}:{error.line}: {error.text}" for error in found]


def test_the_errors_are_found() -> None:
    assert len(errors()) > 150 and len(texts()) > 150


def test_an_error_says_what_to_do_next() -> None:
    assert where(error for error in errors() if not error.hint or ast.unparse(error.hint) in ("''", '""')) == []


def test_a_command_in_a_hint_is_for_every_shell() -> None:
    """dash(1) and busybox know no ``{,.old}``."""
    assert where(error for error in errors() if error.hint and "{{" in ast.unparse(error.hint)) == []


def is_sentence(text: str) -> bool:
    return bool(re.match(r"[A-Z'<-]|pacha\.|systemctl ", text)) and text.endswith((".", "?")) and "\n" not in text


def test_a_message_is_a_sentence() -> None:
    assert [text for text in texts() if not is_sentence(text)] == []


def is_hint(text: str | None) -> bool:
    """Whether it is a sentence, ends in a command, or is a value."""
    if not text or re.fullmatch(r"<\w+>", text):
        return True
    return bool(re.match(r"[A-Z'<-]|pacha\.", text)) and (text.endswith((".", "?", ">")) or ": " in text)


def test_hints_are_sentences_or_end_in_a_command() -> None:
    assert where(error for error in errors() if error.hint and not is_hint(MANUAL.template(error.hint))) == []


def has_code(error: Any) -> bool:
    """Which is a value only where another process tells it."""
    if error.constant is None:
        return error.code is not None and error.module == "system/child.py"
    return bool(re.fullmatch(r"[a-z]+(-[a-z0-9]+){0,5}", error.constant))


MAN_PAGE = r"pacha(?:\.conf)?\([1-8]\)|\bman (?:[1-8] )?pacha"
NAMES_A_PAGE = re.compile(rf"\.rst\b|{MAN_PAGE}")


@cache
def told() -> list[str]:
    """Every text but docstrings of the modules that may name a page."""
    found = []
    paths = [path for path in (CHECKOUT / "pacha").rglob("*.py") if NAMES_A_PAGE.search(path.read_text("utf-8"))]
    for tree in map(tree_of, paths):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        passed_over = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
        constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        found += [value for value in constants if isinstance(value, str) and value not in passed_over]
    return found


INSTALLED = {f"share/doc/pacha/{page.name}" for page in DOCS.glob("*.rst")}


def not_installed(text: str) -> list[str]:
    """The pages that ``text`` names and pip does not install; it installs no man page."""
    pages = re.findall(r"[^\s'(]*\.rst\b", text) if ".rst" in text else []
    man_pages = re.findall(MAN_PAGE, text)
    return [*man_pages, *(page for page in pages if page not in INSTALLED)]


def test_a_page_that_is_named_is_one_that_pip_installs() -> None:
    assert '("share/doc/pacha", [*sorted(glob("docs/*.rst"))' in (CHECKOUT / "setup.py").read_text("utf-8")
    assert [text for text in told() if not_installed(text)] == []
    assert len([text for text in told() if "share/doc/pacha/" in text]) >= 4
    assert all(
        map(not_installed, ["See docs/access.rst.", "share/doc/pacha/none.rst", "see pacha.conf(5)", "man pacha"])
    )


def test_an_error_has_a_code() -> None:
    assert where(error for error in errors() if not has_code(error)) == []


def test_the_rules_can_fail() -> None:
    assert not any(map(is_sentence, ["no capital.", "No end", "Two\nlines."]))
    assert not any(map(is_hint, ["no capital.", "No end"]))
    wrong = [{"constant": None, "code": None, "module": "system/child.py"}, {"constant": "Big-Letters"}]
    assert not any(has_code(SimpleNamespace(**error)) for error in wrong)


def test_a_code_has_one_exit_code() -> None:
    codes = {(one.constant, one.exit_code) for one in errors() if one.constant}
    assert len(codes) == len({code for code, _ in codes})


def test_a_code_has_one_message_unless_that_is_a_value() -> None:
    texts: dict[str, set[str | None]] = {}
    for one in errors():
        if one.constant:
            texts.setdefault(one.constant, set()).add(one.text)
    assert {code: said for code, said in texts.items() if len(said) > 1} == {}


def test_every_code_is_explained_and_no_other() -> None:
    explained = MANUAL.explanations()
    told = {code for code, said in explained.items() if "exit" in said}  # by a value of the source
    source = "".join(path.read_text("utf-8") for path in (CHECKOUT / "pacha").rglob("*.py"))
    assert set(explained) - told == {one.constant for one in errors() if one.constant}
    assert all(f'"{code}"' in source for code in told)


def test_the_manual_is_up_to_date_and_lists_every_code_once() -> None:
    page = (DOCS / "errors.rst").read_text("utf-8")
    assert page == MANUAL.page(), "run: python docs/errors.py > docs/errors.rst"
    listed = re.findall(r"^   \[([a-z0-9-]+)\]", page, re.MULTILINE)
    assert sorted(listed) == sorted(MANUAL.explanations())
    assert all(one.messages and one.exit_code for one in MANUAL.listed())


if __name__ == "__main__":  # which messages there are
    print("\n".join(texts()))
