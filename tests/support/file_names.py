"""File names that are hard to keep and to show, for hypothesis: a component of a path, and a relative path."""

from __future__ import annotations

from hypothesis import strategies as st

#: What Mercurial, HFS+ or Pacha itself reads something into, to be glued together at random.
TRICKY = [
    b".hg", b".HG", b".h", b"g", b".", b" ", b"~1", b"hg~1", b"HG8B6C~22", b"%", b"%0A", b"%25", b"\n", b"\r",
    b".pacha", b".pacha%", b".PACHA%", b".pacha-", b"kept-", b".hgsub", b".hgsubstate", b".hgtags", b"a", b"\xff",
    b"\xe2\x80\x8c", b"\xe2", b"\x80\x8d", b"\xef\xbb\xbf", b"\xe2\x81\xaa", b"\xe2\x80\xae", b"\xef", b"\\", b":",
]  # fmt: skip
COMPONENT = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.lists(st.sampled_from(TRICKY), min_size=1, max_size=5).map(b"".join),
).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_"))
RELATIVE = st.lists(COMPONENT.filter(lambda name: name not in (b".", b"..")), min_size=1, max_size=4).map(b"/".join)
