"""A master that means harm: whatever it sends, nothing but the private folder is written, and that is removed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.liar import REAL, Acts, Liar, Measured, lying, measured, say
from tests.support.scp_script import BADSERVER
from tests.support.sshd import Account, Sshd
from tests.support.stage import PACHA, Host, changed, on_stage, picture

UNREACHABLE, DAMAGED, FAILED = 11, 13, 1
MEMORY = 400 << 20  #: bytes; an ordinary rebuild takes about 60 MiB


@pytest.fixture(scope="module")
def liar(sshd: Sshd, bar_user: Account) -> Iterator[Liar]:
    """A lying master, which has the history of a host that pushed honestly; a file of that host stands in the way."""
    with on_stage(sshd, bar_user) as stage:
        bar = stage.host("bar")
        tree = stage.folder / "opt"
        tree.mkdir()
        (tree / "one").write_text("one\n")
        bar.watch(tree)
        bar.push()
        (tree / "one").write_text("local change\n")
        with lying(sshd, stage) as made:
            yield made


def surroundings(host: Host) -> dict[bytes, tuple[object, ...]]:
    """Everything around the machine: its tree, the master's hosts, a bystander's files."""
    bystander = host.stage.folder / "bystander"
    if not bystander.exists():
        bystander.mkdir()
        (bystander / "file").write_text("untouched\n")
        os.chown(bystander / "file", 65534, 65534)
    found: dict[bytes, tuple[object, ...]] = {}
    for top in (host.stage.folder / "opt", bystander, host.home):
        found |= {os.fsencode(top) + b"/" + path: what for path, what in picture(top).items()}
    return found


def refused(liar: Liar, codes: tuple[int, ...] = (DAMAGED,), **environment: str) -> Measured:
    """A rebuild ends in time, with little memory and one of ``codes``, and nothing is another than before."""
    host = liar.host
    before, around = surroundings(host), set(os.listdir(host.stage.folder))
    run = measured(host, "rebuild", "bar", "--yes", **environment)
    assert run.done.code in codes, (run.done.code, run.done.err)
    run.done.must(run.done.code)
    assert "/.hg/store" in liar.asked.read_text(), "it was not even asked"
    assert changed(before, surroundings(host)) == []
    assert set(os.listdir(host.stage.folder)) == around
    assert os.listdir(host.temporary) == []
    assert not (host.state / "pacha.db").exists()
    assert run.seconds < 30 and run.memory < MEMORY, run
    return run


START = b"D0755 0 store\n"
REQUIRES = b"generaldelta\nrevlogv1\nsparserevlog\nstore\nfncache\ndotencode\n"


def sent(*rest: bytes) -> list[object]:
    return say(START, *rest)


def file(name: bytes, data: bytes) -> bytes:
    return b"C0644 %d %s\n%s\0" % (len(data), name, data)


CASES: dict[str, Acts] = {
    **{f"badserver_{n}": [say(script)] for n, script in enumerate(BADSERVER)},
    "badserver_3 below the right top": [sent(BADSERVER[3])],
    "a name with a slash": [sent(b"D0755 0 data\nC0644 1 ../../x\nx\0E\nE\n")],
    "NUL in a name": [sent(b"C0644 1 00changelog.i\0x\nx\0E\n")],
    "escape codes in a name": [sent(b"C0644 1 \x1b]0;x\x07\nx\0E\n")],
    "size -1": [sent(b"C0644 -1 requires\n\0E\n")],
    "size 2^63": [sent(b"C0644 9223372036854775808 requires\nx")],
    "size 2^64": [sent(b"C0644 18446744073709551616 requires\nx")],
    "the same file twice": [sent(file(b"requires", b"a"), file(b"requires", b"b"), b"E\n")],
    "file, then directory": [sent(file(b"data", b"a"), b"D0755 0 data\nE\nD0755 0 data\nE\nE\n")],
    "setuid directory and file": [sent(b"D6777 0 data\n", b"C6777 1 x.i\nx\0E\nE\n")],
    "endless directories": [sent(), ["endless", b"D0755 0 data\n".hex()]],
    "an endless name": [sent(b"C0644 1 "), ["endless", b"n".hex()]],
    "endless messages": [sent(b"\x01"), ["endless", b"x".hex()]],
    "endless ends": [sent(), ["endless", b"E\n".hex()]],
    "endless files that nobody wants": [sent(), ["names", b"C0644 0 ".hex(), b"\n\0".hex()]],
    "trouble in the middle": [sent(file(b"requires", REQUIRES), b"\x01scp: /x: Permission denied by \x1b[2J\nE\n")],
    "fatal in the middle": [sent(b"C0644 10 requires\nabc"), say(b"\x02lost\n"), ["exit", 1]],
    "trouble as a status": [sent(b"C0644 3 requires\nabc\x01scp: it changed\nE\n")],
    "a late error": [sent(b"E\n\x01scp: late\n")],
    "a missing end": [sent(b"D0755 0 data\nE\n")],
    "an end too many": [sent(b"E\nE\n")],
    "short data": [sent(b"C0644 1000 requires\nabc"), ["exit", 0]],
    "a whole tree and a wrong exit status": [sent(file(b"requires", REQUIRES), b"E\n"), ["exit", 1]],
    "nothing, and all is well": [["exit", 0]],
    "nothing, and ended by a signal": [["exit", 137]],
    "a greeting before it": [say(b"Welcome to the master!\n"), sent(b"E\n")],
    "garbage": [say(bytes(range(256)) * 64)],
    "zeros without end": [["endless", "00"]],
    "an empty store": [sent(b"E\n")],
}
SILENT: dict[str, Acts] = {
    "at once": [["sleep", 60]],
    "in a file": [sent(b"C0644 1000 requires\nabc"), ["sleep", 60]],
    "after all of it": [sent(file(b"requires", REQUIRES), b"E\n"), ["sleep", 60]],
}


def with_folder(acts: Acts, folder: Path) -> Acts:
    def put(word: object) -> object:
        plain = isinstance(word, str) and word not in ("say", "drip", "endless", "names")
        return word.replace(b"@DIR@".hex(), os.fsencode(folder).hex()) if plain and isinstance(word, str) else word

    return acts if isinstance(acts, str) else [[put(word) for word in act] for act in acts]


@pytest.mark.parametrize("acts", by_turns([*CASES.values()], 3), ids=by_turns([*CASES], 3))
def test_a_sender_that_means_harm(liar: Liar, acts: Acts) -> None:
    liar.plays(db=with_folder(acts, liar.host.stage.folder / "bystander"), hg=[["exit", 1]])
    refused(liar, (DAMAGED, UNREACHABLE))


@pytest.mark.parametrize("name", ["badserver_3 below the right top"])
def test_no_check_is_an_assertion(liar: Liar, name: str) -> None:
    liar.plays(db=with_folder(CASES[name], liar.host.stage.folder / "bystander"), hg=[["exit", 1]])
    refused(liar, PYTHONOPTIMIZE="1")


@pytest.mark.parametrize("name", ["badserver_3 below the right top", "an endless name", "short data", "an empty store"])
def test_one_that_begins_honestly(liar: Liar, name: str) -> None:
    liar.plays(content=with_folder(CASES[name], liar.host.stage.folder / "bystander"), hg=[["exit", 1]])
    refused(liar, (DAMAGED, UNREACHABLE))


@pytest.mark.parametrize("acts", SILENT.values(), ids=SILENT.keys())
def test_silence(liar: Liar, acts: Acts) -> None:
    liar.plays(db=acts)
    run = refused(liar, (UNREACHABLE,))
    assert "3 seconds" in run.done.err and run.seconds > 2


def test_more_than_there_is_room_for(liar: Liar) -> None:
    """Not begun at all; that it does not fit is this machine's trouble, by the exit code too."""
    liar.plays(db=[sent(b"C0644 1000000000000 00changelog.d\n"), ["endless", "00"]])
    run = refused(liar, (FAILED,))
    assert "No space left" in run.done.err


STRANGE = [sent(file(b"requires", b"exp-of-the-future\n"), b"E\n")]
CAPABILITIES = b"capabilities: batch branchmap getbundle known lookup unbundle=HG10GZ,HG10BZ,HG10UN bundle2=HG20\n"
HELLO = b"%d\n%s" % (len(CAPABILITIES), CAPABILITIES) + b"1\n\n"
TALK: dict[str, Acts] = {
    "nothing": [["exit", 255]],
    "garbage": [say(bytes(range(256)) * 64)],
    "an endless line": [["endless", b"x".hex()]],
    "zeros without end": [["endless", "00"]],
    "an answer of gigabytes": [say(b"9000000000\n"), ["endless", "61"]],
    "an answer of less than nothing": [say(HELLO, b"-5\n")],
    "heads that are none": [say(HELLO, b"9\nnot nodes")],
    "heads without end": [say(HELLO, b"9000000000\n"), ["endless", b"a1".hex()]],
    "a bundle that is none": [say(HELLO, b"41\n", b"1" * 40, b"\n", b"HG2X" * 100)],
}


@pytest.mark.parametrize("acts", by_turns([*TALK.values()], 3), ids=by_turns([*TALK], 3))
def test_a_format_that_is_not_known_and_a_conversation_that_is_none(liar: Liar, acts: Acts) -> None:
    liar.plays(db=STRANGE, hg=acts)
    refused(liar, (DAMAGED, UNREACHABLE))


def test_byte_by_byte_is_slow_and_right(liar: Liar) -> None:
    """The most fragmented of honest senders is no enemy; and the liar can tell the truth."""
    liar.plays(db=REAL, content=REAL)
    out = liar.host.folder / "restored"
    liar.host.pacha("rebuild", "bar", "--yes", "--target", out).must()
    assert Path(f"{out}{liar.host.stage.folder}/opt/one").read_text() == "one\n"
    liar.plays(db=[["drip", (START + file(b"requires", REQUIRES) + b"E\n").hex()], ["exit", 0]])
    assert "no revision" in refused(liar).done.err


# -- names that could be options, commands, or ways out of a folder

ODD = [
    "-oProxyCommand=x",
    "a;b",
    "$(x)",
    "`x`",
    "../../foo",
    ".",
    "..",
    "",
    "x" * 300,
    "b\u00e4r",
    "a\nb",
    "a b",
    "a/b",
]


def spawned(host: Host, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of a run, and the programs it started beside itself."""
    log = host.folder / "execve"
    command = ["strace", "-f", "-qq", "-o", log, "-e", "trace=execve", PACHA, *arguments]
    done = subprocess.run(command, env=host.environment(), capture_output=True, stdin=subprocess.DEVNULL)
    assert b"Traceback" not in done.stderr + done.stdout
    return done.returncode, [line for line in log.read_text().splitlines() if " execve(" in line][1:]


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_no_host_can_have_starts_nothing(liar: Liar, name: str) -> None:
    assert spawned(liar.host, "rebuild", "--yes", "--", name) == (2, [])


@pytest.mark.parametrize("key", ["pacha.host", "pacha.ssh.user", "pacha.hostname", "pacha.hosts.path"])
@pytest.mark.parametrize("text", ["-oProxyCommand=x", "$(x)/../.."])
def test_a_configuration_of_such_names_starts_nothing(liar: Liar, key: str, text: str) -> None:
    host = Host(liar.host.stage, liar.host.stage.folder / "odd", "bar")
    host.config.write_text(
        f"[DEFAULT]\npacha.host = 127.0.0.1\n{key} = {text}\n".replace("127.0.0.1\npacha.host =", "")
    )
    assert spawned(host, "rebuild", "--yes", "bar") == (10, [])


@pytest.mark.parametrize("command", [["rebuild", "bar", "--yes"], ["doctor"], ["push"]], ids=lambda words: words[0])
def test_a_byte_now_and_then_holds_nobody_for_ever(liar: Liar, command: list[str]) -> None:
    """Neither the copy nor the greeting comes to its end, and each byte comes in time."""
    header = b"D0755 0 store\nC0644 1000 00changelog.i\n" + bytes(1000)
    dribble = [["dribble", header.hex(), 0.3]]
    liar.plays(db=dribble, content=dribble, hg=[["dribble", b"7".hex() * 1000, 0.3]])
    if command == ["push"]:
        liar.host.watch(liar.host.stage.folder / "opt")
    try:
        run = measured(liar.host, *command)
        assert run.done.code == UNREACHABLE, (run.done.code, run.done.err)
        assert run.seconds < 40 and "hardly anything" in " ".join((run.done.out + run.done.err).split())
        assert liar.host.pacha("status").code in (0, 3), "the lock is held"
    finally:
        liar.host.forget()
