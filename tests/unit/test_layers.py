"""The folders of pacha/ show the way that data goes: what may import what, and what may stand nowhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.sources import tree_of

PACKAGE = Path(__file__).resolve().parents[2] / "pacha"

#: Each row may import from the rows above it and, except for parts of one row, from itself.
ROWS: tuple[frozenset[str], ...] = (
    frozenset({"__init__"}),
    frozenset({"text"}),
    frozenset({"errors"}),
    frozenset({"library"}),
    frozenset({"system"}),
    frozenset({"config"}),
    frozenset({"files"}),
    frozenset({"sealing"}),
    frozenset({"machine"}),
    frozenset({"store", "wire"}),
    frozenset({"restore"}),
    frozenset({"host"}),
    frozenset({"fetch"}),
    frozenset({"push", "history"}),
    frozenset({"rebuild"}),
    frozenset({"server", "demo"}),
    frozenset({"fleet"}),
    frozenset({"ui"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)

MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}

#: Packages from outside that only the modules named may import; no others are allowed at all.
OWNERS: dict[str, frozenset[str]] = {
    "cryptography": frozenset({"host.init"}),
    "paramiko": frozenset({"wire.ssh.library"}),
    "pyrage": frozenset({"sealing.age"}),
    "mercurial": frozenset(
        f"store.hg.{name}"
        for name in (
            "__init__",
            "bounds",
            "incoming",
            "runtime",
            "new_store",
            "plain_reading",
            "revlog",
            "repository",
            "reader",
            "commit_context",
            "peer",
            "purging",
            "server",
            "tombstone",
            "diff",
        )
    ),
    "hgdemandimport": frozenset({"store.hg.__init__"}),
    "sqlite3": frozenset(
        {
            "store.tables",
            "store.rowids",
            "store.database",
            "store.untrusted_db",
            "store.scan_cache",
            "fleet.index",
            "fleet.index_file",
        }
    ),
    "click": frozenset({"__main__", *(name for name in MODULES if name.split(".")[0] in ("cli", "ui"))}),
}
KNOWN = frozenset().union(*ROWS)
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
FORBIDDEN_NAMES = {"AutoAddPolicy", "WarningPolicy"}
FORBIDDEN_CALLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "tempfile.mktemp",
}


def part(module: str) -> str:
    """Return the row entry that a dotted module name (relative to pacha) belongs to."""
    return module.split(".")[0]


def row(name: str) -> int:
    for number, members in enumerate(ROWS):
        if name in members:
            return number
    raise AssertionError(f"pacha.{name} stands in no row of the table")


def imports(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted name) of every import, wherever it stands in the module."""
    package = ["pacha", *module.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)


def inside(name: str) -> str | None:
    """Return the part of pacha that an imported ``name`` belongs to, or None if it is not of pacha."""
    first, _, rest = name.partition(".")
    second = rest.split(".")[0]
    if first != "pacha":
        return None
    return second if second in KNOWN else "__init__"


def dotted(node: ast.expr) -> str:
    """Return ``a.b.c`` for an attribute or a name, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        stem = dotted(node.value)
        return f"{stem}.{node.attr}" if stem else ""
    return ""


def wrong_way(module: str, tree: ast.AST) -> list[str]:
    found = []
    for line, name in imports(module, tree):
        target = inside(name)
        own = part(module)
        if target is None or target == own:
            continue
        if row(target) >= row(own):
            found.append(f"{module}:{line} imports {name}")
    return found


def foreign(module: str, tree: ast.AST) -> list[str]:
    found = []
    for line, name in imports(module, tree):
        top = name.split(".")[0]
        if top == "pacha" or (top in sys.stdlib_module_names and top not in OWNERS):
            continue
        if module not in OWNERS.get(top, frozenset()):
            found.append(f"{module}:{line} imports {name}")
    return found


def dangerous(module: str, tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        name = dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if name.split(".")[-1] in FORBIDDEN_NAMES or name in FORBIDDEN_CALLS:
            found.append(f"{module}:{node.lineno} has {name}")  # type: ignore[attr-defined]
        if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) != "False":
            found.append(f"{module}:{node.value.lineno} has shell=")
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            bad = names & (FORBIDDEN_NAMES | {"system", "popen", "getoutput", "getstatusoutput", "mktemp"})
            found += [f"{module}:{node.lineno} imports {name}" for name in sorted(bad)]
    return found


#: Calls that follow a path: in restore/ a folder above it may be another user's, who may put a link there.
#: Allowed is what is relative to a folder's descriptor, is given a descriptor (``fd``) or the /proc name of
#: one (``reference``), or opens the root folder or the state folder's own.
NEEDS_FOLDER = {
    "os.access", "os.chmod", "os.chown", "os.mkdir", "os.mkfifo", "os.mknod", "os.open", "os.readlink",
    "os.remove", "os.rmdir", "os.stat", "os.symlink", "os.unlink", "os.utime",
}  # fmt: skip
NEEDS_TWO_FOLDERS = {"os.rename", "os.replace", "os.link"}
#: Relative to a folder they still follow a link in the last place, unless told not to, which some cannot be.
NEEDS_NO_FOLLOW = {"os.chown", "os.link", "os.stat", "os.utime"}
FOLLOWS_ALWAYS = {"os.access", "os.chmod"}
NEEDS_DESCRIPTOR = {
    "os.getxattr", "os.listdir", "os.listxattr", "os.pathconf", "os.removexattr", "os.scandir", "os.setxattr",
    "os.statvfs", "os.truncate",
}  # fmt: skip
NEVER = {
    "io.open", "open", "os.chdir", "os.chflags", "os.chroot", "os.fwalk", "os.lchmod", "os.lchown", "os.lstat",
    "os.makedirs", "os.removedirs", "os.renames", "os.walk",
    *(f"os.path.{name}" for name in (
        "exists", "getatime", "getctime", "getmtime", "getsize", "isdir", "isfile", "islink", "ismount", "lexists",
        "realpath", "samefile",
    )),
}  # fmt: skip
NEVER_IMPORTED = {"codecs", "fileinput", "glob", "io", "pathlib", "shutil", "tempfile"}
SAFE_ARGUMENTS = {"fd", "reference", "b'/'", "os.path.dirname(journal.folder)"}

#: These work in Pacha's own state folder, 0700 and known by its path: they may open and make files there.
IN_THE_STATE_FOLDER = {"restore.journal"}
ALLOWED_THERE = {
    "open", "os.open", "os.listdir", "os.mkdir", "os.makedirs", "os.unlink", "os.rmdir", "os.stat", "os.lstat",
}  # fmt: skip


def follows_paths(module: str, tree: ast.AST) -> list[str]:
    """Return the calls of a module in restore/ that are not relative to a descriptor of a folder."""
    found = [f"{module}:{line} imports {name}" for line, name in imports(module, tree) if _root(name) in NEVER_IMPORTED]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if not (module in IN_THE_STATE_FOLDER and name in ALLOWED_THERE) and (why := _follows(name, node, tree)):
            found.append(f"{module}:{node.lineno} has {name}{why}")
    return found


def _root(name: str) -> str:
    return name.split(".")[0]


def _follows(name: str, call: ast.Call, tree: ast.AST) -> str:
    """In words how a call follows a path; '' if it does not."""
    words = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    safe = bool(call.args) and ast.unparse(call.args[0]) in SAFE_ARGUMENTS
    if name in NEVER or (name in NEEDS_DESCRIPTOR and not safe):
        return " of a path"
    if name in NEEDS_TWO_FOLDERS and not {"src_dir_fd", "dst_dir_fd"} <= words.keys():
        return " without src_dir_fd and dst_dir_fd"
    if name in NEEDS_FOLDER and not safe:
        if "dir_fd" not in words:
            return " without dir_fd"
        if name in FOLLOWS_ALWAYS and ast.unparse(call.args[0]) != "b'.'":
            return " of a name that may be a link"
    if name in NEEDS_NO_FOLLOW and not safe and words.get("follow_symlinks") != "False":
        return " without follow_symlinks=False"
    if (
        name == "os.open"
        and not safe
        and ast.unparse(call.args[0]) != "b'.'"
        and "O_NOFOLLOW" not in _flags(call, tree)
    ):
        return " without O_NOFOLLOW"
    return ""


def _flags(call: ast.Call, tree: ast.AST) -> str:
    """The flags of os.open as they are written, there or where their name is given its value."""
    text = ast.unparse(call.args[1])
    given = _values(text, tree)
    if not given and f"pacha.files.dirfd.{text}" in {name for _, name in imports("", tree)}:
        given = _values(text, trees()["files.dirfd"])
    return given[0] if given else text


def _values(name: str, tree: ast.AST) -> list[str]:
    assigned = (node for node in ast.walk(tree) if isinstance(node, ast.Assign))
    return [ast.unparse(node.value) for node in assigned if ast.unparse(node.targets[0]) == name]


@cache
def trees() -> dict[str, ast.Module]:
    return {module: tree_of(path) for module, path in MODULES.items()}


def breaches(rule: Callable[[str, ast.AST], list[str]], folder: str = "") -> list[str]:
    """What breaks ``rule`` in any module, or in those of ``folder``."""
    return [
        breach
        for module, tree in trees().items()
        if not folder or part(module) == folder
        for breach in rule(module, tree)
    ]


def test_the_modules_are_found() -> None:
    assert {"errors", "config.load", "files.metadata"} <= set(trees())


def test_imports_go_one_way() -> None:
    assert breaches(wrong_way) == []


def test_each_package_from_outside_is_known_to_its_own_module_only() -> None:
    assert breaches(foreign) == []


def test_no_shell_and_no_trust_at_first_sight() -> None:
    assert breaches(dangerous) == []


def test_restore_follows_no_paths() -> None:
    assert breaches(follows_paths, "restore") == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [module for module in trees() if VAGUE_NAMES & set(module.split("."))] == []


def evaluates_annotations(module: str, tree: ast.AST) -> list[str]:
    assert isinstance(tree, ast.Module)
    code = [node for node in tree.body if not isinstance(node, ast.Expr)]
    future = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in code)
    return [] if future or all(isinstance(node, ast.Assign) for node in code) else [f"{module} has no __future__"]


def test_annotations_are_not_evaluated() -> None:
    assert breaches(evaluates_annotations) == []


def places_of_many_fields(module: str, tree: ast.AST) -> list[str]:
    """The constructors of more than five fields that take more than five without their names."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and "dataclass" in "".join(map(ast.unparse, node.decorator_list)):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            given = [each for each in fields if "init=False" not in ast.unparse(each)]
            if len(given) > 5 and "kw_only=True" not in "".join(map(ast.unparse, node.decorator_list)):
                found.append(f"{module}.{node.name}")
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and len(node.args.args) - 1 > 5:
            found.append(f"{module}:{node.lineno}")
    return found


def test_constructors_of_many_fields_take_them_by_name() -> None:
    assert breaches(places_of_many_fields) == []


def many_parameters(module: str, tree: ast.AST) -> list[str]:
    """The commands that take more than eight parameters beside their context."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list]
    commands = [each for each in functions if module.startswith("cli.commands.")]
    return [f"{module}.{each.name}" for each in commands if len([*each.args.args, *each.args.kwonlyargs]) > 8 + 1]


def test_commands_of_many_options_take_them_as_one() -> None:
    assert breaches(many_parameters) == []


def late_imports(module: str, tree: ast.AST) -> list[str]:
    """The imports inside functions, each a line."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found = {n.lineno for f in functions for n in ast.walk(f) if isinstance(n, (ast.Import, ast.ImportFrom))}
    return [f"{module}:{line}" for line in sorted(found)]


def test_few_imports_stand_inside_functions() -> None:
    assert len(breaches(late_imports)) < 20, breaches(late_imports)


def test_no_circle_of_imports() -> None:
    """Not even through an import inside a function."""
    below = {module: {name for name in map(_module, _names(module)) if name and name != module} for module in trees()}
    while leaves := {module for module, needed in below.items() if not needed & below.keys()}:
        below = {module: needed for module, needed in below.items() if module not in leaves}
    assert below.keys() == set(), below


def _names(module: str) -> list[str]:
    """What a module imports, but for its types alone."""
    return [name for _, name in imports(module, without_types(trees()[module]))]


def without_types(tree: ast.AST) -> ast.Module:
    """The imports of a module but those that only a type checker reads."""
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    hidden = {id(n) for block in typing for n in ast.walk(block)}
    every = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return ast.Module([n for n in every if id(n) not in hidden], [])


def _module(name: str) -> str | None:
    """The module of pacha that an imported ``name`` means."""
    words = name.split(".")[1:]
    for end in range(len(words), 0, -1):
        for candidate in (".".join(words[:end]), ".".join([*words[:end], "__init__"])):
            if name.startswith("pacha.") and candidate in trees():
                return candidate
    return None


def test_no_folder_holds_too_much() -> None:
    lines: dict[str, int] = {}
    for path in MODULES.values():
        folder = path.parent.relative_to(PACKAGE).as_posix()
        lines[folder] = lines.get(folder, 0) + len(path.read_bytes().splitlines())
    most = sum(lines.values()) * 0.15
    assert {folder: count for folder, count in lines.items() if count > most} == {}


def test_no_class_name_stands_twice() -> None:
    classes: dict[str, list[str]] = {}
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in classes.items() if len(modules) > 1} == {}


#: What each of these may call: making a process, and what only who keeps repositories knows of them.
FORKS = frozenset({"system.child", "fetch.worker"})
KNOWS_HG_FOLDER = ("store.", "wire.master")


def forks(module: str, tree: ast.AST) -> list[str]:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and dotted(n.func) in ("os.fork", "os.forkpty")]
    return [f"{module}:{call.lineno} forks" for call in calls if module not in FORKS]


def test_only_two_modules_fork() -> None:
    assert breaches(forks) == []


#: What a module never loads, not even by another module: in a process of its own.
NEVER_LOADED = {
    "pacha.push.push": {"pacha.rebuild"},
    "pacha.cli.commands.push": {"pacha.rebuild"},
    "pacha.server.serve": {"pacha.fleet", "pacha.ui", "pacha.rebuild", "paramiko"},
    "pacha.ui.hosts": {"pacha.wire"},
    "pacha.ui.history": {"mercurial"},
    "pacha.ui.rebuild": {"mercurial"},
}


def test_what_must_not_be_loaded_is_not() -> None:
    script = "import importlib, sys\nimportlib.import_module(sys.argv[1])\nprint(*sys.modules)"
    found = {}
    for module, never in NEVER_LOADED.items():
        done = subprocess.run(
            [sys.executable, "-c", script, module], cwd=PACKAGE.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        if loaded := never & set(done.stdout.split()):
            found[module] = loaded
    assert found == {}


#: ui shows what it is given: it talks to nobody, and opens nothing but the terminal.
NOT_IN_UI = ("pacha.wire", "pacha.store.hg")
OPENS = {"open", "os.open", "io.open", "os.listdir", "os.scandir", "os.stat", "os.lstat", "sqlite3.connect"}


def reaches_out(module: str, tree: ast.AST) -> list[str]:
    found = imports(module, without_types(tree))
    names = [f"{module}:{line} imports {name}" for line, name in found if name.startswith(NOT_IN_UI)]
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and dotted(n.func) in OPENS]
    return names + [f"{module}:{call.lineno} has {dotted(call.func)}" for call in calls]


def test_ui_reaches_out_to_nothing() -> None:
    assert breaches(reaches_out, "ui") == []


def names_mercurials_folder(module: str, tree: ast.AST) -> list[str]:
    """Where Mercurial keeps what is a matter of store/; what travels takes the paths from wire.master."""
    if module.startswith("store.") or module in ("wire.master", "files.names"):
        return []
    said = docstrings(tree)
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in said]
    return [f"{module}:{text.lineno} names .hg" for text in texts if ".hg" in str(text.value).split("/")]


def docstrings(tree: ast.AST) -> set[ast.AST]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def test_few_modules_name_mercurials_folder() -> None:
    assert breaches(names_mercurials_folder) == []


#: What many modules import from outside of pacha is imported once. Mercurial is not: it reads what store.hg sets.
IMPORT_EACH = """
import ast, asyncio, click, concurrent.futures, configparser, dataclasses, difflib, os, paramiko, pathlib, sqlite3
import subprocess, sys, tempfile, traceback, typing
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            __import__(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


@pytest.mark.slow
def test_every_module_imports_alone() -> None:
    """Each is the first of pacha that its process imports: an interpreter without it forks for every module."""
    names = ["pacha." + module.removesuffix("__init__").rstrip(".") for module in trees()]
    names = by_turns([name.rstrip(".") for name in names if not name.endswith("__main__")], 4)
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", IMPORT_EACH, *names],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


# -- that the rules above can fail


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("store.hg.repository", "from pacha.wire import ssh", wrong_way),
        ("wire.scp", "import pacha.store.hg", wrong_way),
        ("files.scan", "def f():\n    from pacha.store.database import x", wrong_way),
        ("files.scan", "from ..push import push", wrong_way),
        ("restore.plan", "from pacha import cli", wrong_way),
        ("errors", "from pacha.config import load", wrong_way),
        ("push.push", "import click", foreign),
        ("wire.scp", "import paramiko.transport", foreign),
        ("wire.ssh.known_hosts", "import paramiko", foreign),
        ("store.database", "from mercurial import hg", foreign),
        ("files.scan", "import sqlite3", foreign),
        ("files.scan", "import requests", foreign),
        ("wire.ssh.auth", "subprocess.run(x, shell=True)", dangerous),
        ("wire.ssh.auth", "subprocess.run(x, shell=y)", dangerous),
        ("wire.ssh.auth", "os.system('x')", dangerous),
        ("wire.ssh.auth", "from os import system", dangerous),
        ("wire.ssh.auth", "client.set_missing_host_key_policy(paramiko.AutoAddPolicy())", dangerous),
        ("wire.ssh.auth", "from paramiko import WarningPolicy", dangerous),
        ("restore.apply", "os.chmod(path, 0o600)", follows_paths),
        ("restore.apply", "os.chown(path, 0, 0)", follows_paths),
        ("restore.apply", "os.rename(a, b, src_dir_fd=1)", follows_paths),
        ("restore.apply", "open(path)", follows_paths),
        ("restore.apply", "os.open(path, 0)", follows_paths),
        ("restore.apply", "os.stat(name, dir_fd=fd)", follows_paths),
        ("restore.apply", "os.chmod(name, 0o600, dir_fd=fd)", follows_paths),
        ("restore.apply", "os.chown(name, 0, 0, dir_fd=x, follow_symlinks=True)", follows_paths),
        ("restore.apply", "os.utime(name, dir_fd=x)", follows_paths),
        ("restore.apply", "os.link(a, b, src_dir_fd=1, dst_dir_fd=2)", follows_paths),
        ("restore.apply", "os.open(name, os.O_RDONLY, dir_fd=x)", follows_paths),
        ("restore.apply", "FLAGS = os.O_RDONLY\nos.open(name, FLAGS, dir_fd=x)", follows_paths),
        ("restore.apply", "from pacha.files.dirfd import reach\nos.open(name, reach, dir_fd=x)", follows_paths),
        ("restore.apply", "os.open(name, DIRECTORY, dir_fd=x)", follows_paths),
        ("restore.apply", "os.scandir(path)", follows_paths),
        ("restore.apply", "os.fwalk(path)", follows_paths),
        ("restore.apply", "os.setxattr(path, a, b)", follows_paths),
        ("restore.apply", "os.path.lexists(path)", follows_paths),
        ("restore.apply", "from pathlib import Path", follows_paths),
        ("restore.apply", "import shutil", follows_paths),
        ("restore.journal", "os.chmod(path, 0o600)", follows_paths),
        ("restore.journal", "os.rename(a, b)", follows_paths),
        ("push.push", "def f():\n    import os", late_imports),
        ("push.push", "os.fork()", forks),
        ("ui.plan", "from pacha.store import hg", reaches_out),
        ("ui.plan", "from pacha.wire.ssh import Stream", reaches_out),
        ("ui.plan", "os.stat(path)", reaches_out),
        ("server.serve", "path = f'{name}/.hg/store'", names_mercurials_folder),
        ("push.push", "import os", evaluates_annotations),
    ],
)
def test_a_breach_is_seen(module: str, source: str, rule: object) -> None:
    assert len(rule(module, ast.parse(source))) == 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("push.push", "from pacha.wire.ssh import connect\nfrom pacha.store import hg", wrong_way),
        (
            "store.hg.repository",
            "from pacha import errors, __version__\nfrom pacha.store.database import x",
            wrong_way,
        ),
        ("wire.ssh.library", "import paramiko, os.path", foreign),
        ("cli.app", "import click", foreign),
        ("push.push", "def f():\n    'What lies in .hg/store.'", names_mercurials_folder),
        ("wire.ssh.auth", "subprocess.run(x, shell=False)", dangerous),
        ("restore.apply", "os.fchmod(1, 0o600)\nos.rename(a, b, src_dir_fd=1, dst_dir_fd=2)", follows_paths),
        ("restore.apply", "os.open(b'/', 0)\nos.chmod(reference, 0o600)", follows_paths),
        ("restore.journal", "os.open(path, 0)", follows_paths),
        ("restore.apply", "F = os.O_NOFOLLOW\nos.open(name, F, dir_fd=x)\nos.open(b'.', 0, dir_fd=x)", follows_paths),
        ("restore.apply", "os.listdir(fd)\nos.getxattr(reference, name)\nos.stat(reference)", follows_paths),
        ("restore.apply", "os.stat(name, dir_fd=x, follow_symlinks=False)", follows_paths),
    ],
)
def test_what_is_allowed_passes(module: str, source: str, rule: object) -> None:
    assert rule(module, ast.parse(source)) == []  # type: ignore[operator]
