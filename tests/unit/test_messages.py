"""Every error of the program says what failed and what to do next, in one form, and the manual lists it."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
ALL = list(MANUAL.raised())
TEXTS = sorted({one.text for one in ALL if one.text})


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.module}:{one.line}")
def test_an_error_says_what_to_do_next(one: Any) -> None:
    assert one.hint and ast.unparse(one.hint) not in ("''", '""'), one


@pytest.mark.parametrize("text", TEXTS)
def test_a_message_is_a_sentence(text: str) -> None:
    assert re.match(r"[A-Z'<-]|pacha\.|systemctl ", text), text
    assert text.endswith((".", "?")), text
    assert "\n" not in text


def test_hints_are_sentences_or_end_in_a_command() -> None:
    for one in ALL:
        text = MANUAL.template(one.hint) if one.hint else None
        if text and not re.fullmatch(r"<\w+>", text):
            assert re.match(r"[A-Z'<-]|pacha\.", text), f"{one.module}:{one.line}: {text}"
            assert text.endswith((".", "?", ">")) or ": " in text, f"{one.module}:{one.line}: {text}"


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.module}:{one.line}")
def test_an_error_has_a_code(one: Any) -> None:
    """Which is a value only where another process tells it."""
    if one.constant is None:
        assert one.code is not None and one.module == "system/child.py"
    else:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+){0,5}", one.constant)


def test_a_code_has_one_exit_code() -> None:
    codes = {(one.constant, one.exit_code) for one in ALL if one.constant}
    assert len(codes) == len({code for code, _ in codes})


def test_a_code_has_one_message_unless_that_is_a_value() -> None:
    texts: dict[str, set[str | None]] = {}
    for one in ALL:
        if one.constant:
            texts.setdefault(one.constant, set()).add(one.text)
    assert {code: said for code, said in texts.items() if len(said) > 1} == {}


def test_every_code_is_explained_and_no_other() -> None:
    explained = MANUAL.explanations()
    told = {code for code, said in explained.items() if "exit" in said}  # by a value of the source
    source = "".join(path.read_text("utf-8") for path in (CHECKOUT / "pacha").rglob("*.py"))
    assert set(explained) - told == {one.constant for one in ALL if one.constant}
    assert all(f'"{code}"' in source for code in told)


def test_the_manual_is_up_to_date_and_lists_every_code_once() -> None:
    page = (DOCS / "errors.rst").read_text("utf-8")
    assert page == MANUAL.page(), "run: python docs/errors.py > docs/errors.rst"
    listed = re.findall(r"^   \[([a-z0-9-]+)\]", page, re.MULTILINE)
    assert sorted(listed) == sorted(MANUAL.explanations())
    assert all(one.messages and one.exit_code for one in MANUAL.listed())


if __name__ == "__main__":  # which messages there are
    print("\n".join(TEXTS))
