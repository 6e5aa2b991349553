"""Mercurial obeys our settings alone: no configuration of the machine, of the user or of a repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.store import hg
from pacha.store.hg import NULL, Repository
from tests.support.committing import commit
from tests.support.mercurial import system_hg

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repos/foo"), create=True)


TWO_THREADS = """
from pacha.store import hg
hg.load()
from mercurial import namespaces, registrar
registered, real = [], registrar.templatekeyword
def registering(*arguments):
    registered.append(arguments)
    return real(*arguments)
registrar.templatekeyword = registering
namespaces.namespaces()
print(len(registered))
"""


def test_nothing_is_left_to_register_for_two_threads_that_open_repositories() -> None:
    """Mercurial looks whether it is registered, then registers: "duplicate registration" if both do."""
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


HOSTILE = """
[hooks]
pre-transaction = touch {mark}
pretxnopen = touch {mark}
pretxncommit = touch {mark}
precommit = touch {mark}
commit = touch {mark}
incoming = touch {mark}
changegroup = touch {mark}
pretxnchangegroup = touch {mark}
prechangegroup = touch {mark}
preoutgoing = touch {mark}
outgoing = touch {mark}
pushkey = touch {mark}
txnclose = touch {mark}
python = python:{extension}:run
[extensions]
planted = {extension}
[ui]
ssh = touch {mark}
editor = touch {mark}
[phases]
publish = no
[format]
use-dirstate-v2 = yes
exp-use-changelog-v2 = yes
"""


@pytest.fixture
def planted(repository: Repository, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Plant a configuration that leaves a mark whatever is done; the mark must never be there."""
    mark, extension = tmp_path / "mark", tmp_path / "planted.py"
    extension.write_text(f"open({str(mark)!r}, 'w')\ndef run(*a, **k): open({str(mark)!r}, 'w')\n")
    text = HOSTILE.format(mark=mark, extension=extension)
    (Path(os.environ["HOME"]) / ".hgrc").write_text(text)
    (Path(os.environ["XDG_CONFIG_HOME"]) / "hg").mkdir(parents=True)
    (Path(os.environ["XDG_CONFIG_HOME"]) / "hg/hgrc").write_text(text)

    def plant(path: str) -> None:
        for name in ("hgrc", "hgrc-not-shared"):
            Path(path, ".hg", name).write_text(text)

    plant(repository.path)
    yield plant
    assert not mark.exists(), "a configuration that is not ours was obeyed"


def test_no_configuration_but_ours_is_obeyed(
    repository: Repository, planted: Callable[[str], None], tmp_path: Path
) -> None:
    opened = Repository.open(repository.path)
    first = commit(opened, NULL, {b"a": b"1"})
    commit(opened, first, {b"a": b"2"})
    other = Repository.open(str(tmp_path / "other"), create=True)
    planted(other.path)
    with hg.open_peer(other.path, "foo") as peer:
        peer.push(opened, opened.heads()[0])
        assert peer.heads() == opened.heads()
    third = Repository.open(str(tmp_path / "third"), create=True)
    planted(third.path)
    with hg.open_peer(repository.path, "foo") as peer:
        peer.pull(Repository.open(third.path), peer.heads())
    assert "dirstate-v2" not in Path(third.path, ".hg/requires").read_text()


def test_a_dollar_in_a_path_is_a_dollar(tmp_path: Path) -> None:
    made = Repository.open(str(tmp_path / "$HOME" / "${USER}"), create=True)
    node = commit(made, NULL, {b"a": b"1"})
    assert (tmp_path / "$HOME" / "${USER}" / ".hg").is_dir()
    with hg.open_peer(made.path, "foo") as peer:
        assert peer.heads() == (node,)


def test_nor_in_a_process_of_its_own(repository: Repository, planted: Callable[[str], None]) -> None:
    """As the command runs: the variables that the tests set are not there."""
    script = (
        "import sys\nfrom pacha.store.hg import *\nr = Repository.open(sys.argv[1])\n"
        "r.commit(NULL, [b'a'], [], lambda n: Blob(b'1'), Note('m', 'u', 1.0))\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HG")}
    environment["HGRCPATH"] = str(Path(os.environ["HOME"]) / ".hgrc")
    done = subprocess.run(
        [sys.executable, "-c", script, repository.path], env=environment, cwd=CHECKOUT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(Repository.open(repository.path).heads()) == 1


def test_the_mark_can_be_made(repository: Repository, planted: Callable[[str], None], tmp_path: Path) -> None:
    commit(repository, NULL, {b"a": b"1"})
    environment = {**os.environ, "HGPLAIN": "1"}
    environment.pop("HGRCSKIPREPO", None)
    subprocess.run([system_hg(), "-R", repository.path, "verify"], env=environment, capture_output=True, check=False)
    (tmp_path / "mark").unlink()  # fails if a plain hg did not obey it
