"""The records of the journal: each survives its line, whatever bytes it has, and no other line is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.restore.journal_records import (
    Altered,
    Created,
    Displaced,
    Keeping,
    Record,
    Root,
    Started,
    Target,
    Touched,
    decode,
    encode,
)

paths = st.binary(min_size=1, max_size=40)


inodes = st.tuples(st.integers(0, 2**64), st.integers(0, 2**64))


xattrs = st.lists(st.tuples(st.binary(), st.binary())).map(tuple)


numbers = st.integers(-(2**63), 2**63)


records = st.one_of(
    st.builds(Root, paths),
    st.builds(Target, paths),
    st.builds(
        Created,
        path=paths,
        temporary=st.none() | paths,
        kind=st.sampled_from("fdlpcb"),
        size=numbers,
        mtime_ns=numbers,
        replaces=st.booleans(),
    ),
    st.builds(Displaced, paths, st.none() | paths, paths, inodes),
    st.builds(Altered, path=paths, old=inodes, uid=numbers, gid=numbers, mode=numbers, mtime_ns=numbers, xattrs=xattrs),
    st.builds(Touched, paths, numbers),
    st.builds(Keeping, paths),
    st.builds(
        Started,
        id=st.text(),
        at=numbers,
        host=st.text(),
        resumes=st.lists(st.text()).map(tuple),
        tip=st.text(),
        links=st.booleans(),
    ),
)


@given(records)
def test_every_record_comes_back_from_its_line(record: Record) -> None:
    line = encode(record)
    assert line.isascii() and line.count("\n") == 1 and line.endswith("\n")
    assert decode(line.encode()) == record


@given(st.binary())
def test_any_other_line_is_no_record(line: bytes) -> None:
    decode(line)  # raises nothing


@pytest.mark.parametrize(
    "line", [b"", b"null\n", b"{}\n", b'["later",1]\n', b'["made"]\n', b'["touched",1,2]\n', b'[["a"]]\n']
)
def test_lines_that_make_no_sense_are_passed_over(line: bytes) -> None:
    assert decode(line) is None
