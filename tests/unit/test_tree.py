"""The tree that docs/how-it-works.rst draws is the tree of the package, on one screen; that of the tests mirrors it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

CHECKOUT = next(folder for folder in Path(__file__).resolve().parents if (folder / "setup.py").exists())
PACKAGE = CHECKOUT / "pacha"
TESTS = CHECKOUT / "tests"
SCREEN = 67  #: lines


def drawn() -> dict[str, set[str]]:
    """The modules of each folder ('' for the top) in the block of docs/how-it-works.rst that begins with ``pacha/``."""
    page = (CHECKOUT / "docs/how-it-works.rst").read_text("utf-8")
    block = page.split("\n    pacha/\n", 1)[1].split("\n\n", 1)[0].splitlines()
    assert len(block) <= SCREEN
    tree: dict[str, set[str]] = {"": set()}
    folder = ""
    for line in block:
        words = line[len("    ") :]
        if match := re.match(r"  ([\w/]+)/(?: {2,}|$)", words):
            folder = match[1]
            tree[folder] = set()
        elif match := re.match(r"  (\w+)\.py {2,}", words):
            tree[""].add(match[1])
        else:
            tree[folder] |= set(words.split())
    return tree


def real() -> dict[str, set[str]]:
    tree: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        folder = path.parent.relative_to(PACKAGE).as_posix().removeprefix(".")
        tree.setdefault(folder, set()).update({path.stem} - {"__init__"})
    return tree


def test_how_it_works_draws_every_folder_and_module() -> None:
    assert drawn() == real()


#: What tests/unit has at its top beside the tests of modules that stand at the top of the package.
OF_THE_CHECKOUT = {"benchmarks", "conftest", "docs", "example_config", "layers", "messages", "setup", "tree"}
#: Fixtures and helpers that take root, an account, an sshd or an hg process: tests/unit does without.
NOT_IN_UNIT = {"as_root", "sshd", "bar_user"}
NOT_FOR_UNIT = {
    "sshd.account",
    "sshd.sshd",
    "mercurial.run_hg",
    "stage.small_disk",
    "stage.on_stage",
}


KINDS = ("unit", "integration")


def test_each_module_has_a_test_of_its_name() -> None:
    modules = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.stem != "__init__"]
    without = {
        module.with_suffix("").as_posix()
        for module in modules
        if not any((TESTS / kind / module.parent / f"test_{module.stem}.py").exists() for kind in KINDS)
    }
    assert without == set()


def test_a_unit_test_is_named_after_its_module() -> None:
    strays = []
    for path in (TESTS / "unit").rglob("*.py"):
        place = path.relative_to(TESTS / "unit")
        name = place.stem.removeprefix("test_")
        if not (PACKAGE / place.parent / f"{name}.py").exists() and not (
            place.parent == Path() and name in OF_THE_CHECKOUT
        ):
            strays.append(str(place))
    assert strays == []


def test_an_integration_test_stands_in_the_folder_that_it_tests() -> None:
    folders = {path.parent.relative_to(TESTS / "integration") for path in (TESTS / "integration").rglob("test_*.py")}
    assert [str(folder) for folder in sorted(folders) if not (PACKAGE / folder).is_dir()] == []


def imported(path: Path) -> set[str]:
    """Every name that a file imports, with the module it is from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return names


#: What any import of a test module has in it.
SUSPECT = re.compile(
    r"^\s*(from\s+\.|(from|import)\s[^#\n]*(\btests\b(?!\.support\.)|\btest_|\bconftest\b))", re.MULTILINE
)


def test_no_test_module_imports_another() -> None:
    """They share what is in tests/support, which imports no test module either."""
    strays = []
    for path in TESTS.rglob("*.py"):
        if not SUSPECT.search(path.read_text("utf-8")):
            continue  # parsing them all takes seconds
        names = [name for name in imported(path) if name.startswith(("tests", "test_", "conftest", "."))]
        strays += [f"{path.relative_to(TESTS)}: {name}" for name in names if not name.startswith("tests.support.")]
    assert strays == []


def test_a_suspect_is_seen() -> None:
    wrong = (
        "from tests.unit.x import y",
        "import test_x",
        "from . import y",
        "    from tests import y",
        "import conftest",
    )
    assert all(map(SUSPECT.search, wrong))
    assert not SUSPECT.search("from tests.support.sshd import Sshd\nimport ast\n")


def needs_more(source: str) -> set[str]:
    """What a unit test would need that it is to do without."""
    if not any(name.rpartition(".")[2] in source for name in NOT_IN_UNIT | NOT_FOR_UNIT):
        return set()
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    fixtures = {node.arg for node in nodes if isinstance(node, ast.arg)}
    for call in nodes:
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("usefixtures"):
            fixtures |= {word.value for word in call.args if isinstance(word, ast.Constant)}
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    helpers = {f"{node.module}.{alias.name}".rpartition("support.")[2] for node in imports for alias in node.names}
    return (fixtures & NOT_IN_UNIT) | (helpers & NOT_FOR_UNIT)


def test_unit_tests_do_without_root_and_servers() -> None:
    paths = set((TESTS / "unit").rglob("*.py")) - {Path(__file__).resolve()}
    assert {str(path.relative_to(TESTS)): found for path in paths if (found := needs_more(path.read_text()))} == {}


def test_what_needs_more_is_seen() -> None:
    assert needs_more('@pytest.mark.usefixtures("as_root")\ndef test() -> None: ...') == {"as_root"}
    assert needs_more("def test(sshd: object) -> None: ...") == {"sshd"}
    assert needs_more("from tests.support.mercurial import run_hg") == {"mercurial.run_hg"}
    assert needs_more("def test(tmp_path: Path) -> None: ...") == set()
