"""Signatures by ssh keys (SSHSIG, OpenSSH's PROTOCOL.sshsig), made and verified by ssh-keygen(1).

Only ssh-keygen signs and verifies; Pacha reads nothing in a signature but its key and its namespace. Text from a person
or a master reaches ssh-keygen as the content of a file in memory, never as a file name.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pacha.errors import PachaError
from pacha.system.executable import PATH, find_program
from pacha.system.home import home_dir
from pacha.system.limited_output import Ended, read_output
from pacha.text import printable

MOST_BYTES = 16 << 10  #: of a signature; that of an RSA key of 16384 bits takes 6 KB
PROGRAM = "ssh-keygen"
_SIGNING, _VERIFYING = 60.0, 20.0  #: seconds; a token waits until somebody touches it
_MOST_OUTPUT = 64 << 10  #: bytes
_WIDTH = 70  #: characters of a line of armor
_MAGIC, _VERSION = b"SSHSIG", 1
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
KRL = b"SSHKRL\n\0"  #: the first bytes of a key revocation list
#: A public key that nobody has, for a question about it.
_ANY_KEY = b"ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)) + b"\n"
_ARMORED = re.compile(_BEGIN + rb"\n([A-Za-z0-9+/=\s]+)\n" + _END)
#: The variables that ssh-keygen needs to reach an agent or a token, to ask for a PIN, and to read the times in an
#: allowed-signers file in the right time zone.
_PASSED_ON = ("SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_SK_PROVIDER", "DISPLAY", "WAYLAND_DISPLAY",
              "XDG_RUNTIME_DIR", "TZ")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature, not verified: its bytes (``blob``, without armor), its public key (a blob) and its namespace."""

    blob: bytes
    key: bytes
    namespace: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key, as ``ssh-keygen -l`` prints it."""
        return fingerprint(self.key)

    @property
    def armored(self) -> bytes:
        """The signature as ssh-keygen reads it: base64 between two lines."""
        text = base64.b64encode(self.blob)
        lines = (text[begin : begin + _WIDTH] for begin in range(0, len(text), _WIDTH))
        return b"\n".join([_BEGIN, *lines, _END, b""])


def fingerprint(key: bytes) -> str:
    """Return the fingerprint (SHA-256) of a public key (a blob)."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def read_armored(text: bytes) -> Signature:
    """Return the signature in an armored ``text``. Raises ValueError."""
    match = _ARMORED.fullmatch(text.strip()) if len(text) <= MOST_BYTES else None
    if match is None:
        raise ValueError("no signature")
    return read_blob(base64.b64decode(b"".join(match[1].split()), validate=True))


def read_blob(blob: bytes) -> Signature:
    """Return the signature in ``blob``, which has no armor. Raises ValueError."""
    if len(blob) > MOST_BYTES or not blob.startswith(_MAGIC + _VERSION.to_bytes(4, "big")):
        raise ValueError("no signature")
    key, rest = _split_string(blob[len(_MAGIC) + 4 :])
    namespace, rest = _split_string(rest)
    return Signature(blob=blob, key=key, namespace=namespace)


def _split_string(data: bytes) -> tuple[bytes, bytes]:
    """Return the string at the start of ``data`` (RFC 4251, section 5), and what follows it. Raises ValueError."""
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < max(4, end):
        raise ValueError("the signature is cut off")
    return data[4:end], data[end:]


def public_key(line: bytes) -> bytes:
    """Return the blob in a line of a public key's file. Raises ValueError."""
    words = line.split()
    if len(words) < 2:
        raise ValueError("no public key")
    return base64.b64decode(words[1], validate=True)


def read_public(line: bytes) -> bytes:
    """Return the blob in a line that begins with a public key. Raises ValueError, also for a key of another kind."""
    key = public_key(line)
    kind, rest = _split_string(key)
    if line.split()[0] != kind or not rest:
        raise ValueError("the key is of another kind than the line says")
    while rest and b"-cert-" not in kind:  # a certificate does not consist of strings alone
        _, rest = _split_string(rest)
    return key


def is_krl(text: bytes) -> bool:
    """Whether ssh-keygen can read the key revocation list ``text``. Raises PachaError."""
    files = {"-f": text}
    try:
        return _run(["-Q"], b"", files, _VERIFYING, [_ANY_KEY]).status in (0, 1)  # 1: that key is in it
    except OSError as error:
        raise _not_checked(error) from None


def key_words(key: bytes) -> tuple[str, str]:
    """Return the type and the base64 of a public key (a blob), as a file has them. Raises ValueError."""
    kind, _ = _split_string(key)
    return kind.decode("ascii"), base64.b64encode(key).decode("ascii")


def sign(text: bytes, namespace: str, key: str) -> Signature:
    """Sign ``text`` with the key in the file ``key``; a file with a public key names a key of the agent.

    Raises PachaError.
    """
    try:
        ended = _run(["-Y", "sign", "-q", "-n", namespace, "-f", key], text, {}, _SIGNING)
        if not ended.status:
            return read_armored(ended.stdout)
        why = ended.complaint.decode("utf-8", "replace") or f"{PROGRAM} ended with {ended.status}"
    except (OSError, ValueError) as error:
        why = str(error)
    raise PachaError(
        f"The key {printable(key)} cannot sign.",
        why,
        f"Try it: echo x | {PROGRAM} -Y sign -n {namespace} -f {printable(key)}; or set pacha.sign.key to another.",
        code="signing-failed",
    )


def is_intact(text: bytes, signature: Signature, namespace: str) -> bool:
    """Whether ``signature`` is valid for ``text`` in ``namespace``, by any key. Raises PachaError."""
    return _verifies(["check-novalidate", "-n", namespace], text, {"-s": signature.armored})


def is_by(
    text: bytes, signature: Signature, namespace: str, *, principal: str, at: float, signers: bytes, revoked: bytes
) -> bool:
    """Whether ``text`` was signed in ``namespace`` by a key that may sign for ``principal`` at the time ``at``.

    ``at``: seconds since the epoch; ``signers``: the content of an allowed-signers file; ``revoked``: the content of a
    KRL or of a file of keys, b"" for none. Raises PachaError.
    """
    moment = time.strftime("%Y%m%d%H%M%S", time.localtime(at))  # a Z for UTC is known since OpenSSH 9.1
    files = {"-s": signature.armored, "-f": signers, **({"-r": revoked} if revoked else {})}
    argv = ["verify", "-n", namespace, "-I", principal, "-O", f"verify-time={moment}"]
    return _verifies(argv, text, files)


def _verifies(argv: Sequence[str], text: bytes, files: Mapping[str, bytes]) -> bool:
    try:
        return not _run(["-Y", *argv, "-q"], text, files, _VERIFYING).status
    except OSError as error:  # TimeoutError, too
        raise _not_checked(error) from None


def _not_checked(error: OSError) -> PachaError:
    return PachaError(
        "The signature cannot be verified.",
        str(error),
        f"Install OpenSSH 8.7 or later ({PROGRAM}), and run this again.",
        code="signature-not-checked",
    )


def _run(
    argv: Sequence[str], text: bytes, files: Mapping[str, bytes], seconds: float, operands: Sequence[bytes] = ()
) -> Ended:
    """Run ssh-keygen with ``text`` as its input, and ``operands`` as the contents of its last arguments, files.

    ``files``: by option, the content of the file that the option names. Raises OSError (TimeoutError).
    """
    program = find_program(PROGRAM)
    if not program:
        raise OSError(f"there is no {PROGRAM} in {PATH}")
    with ExitStack() as stack:
        source = stack.enter_context(_in_memory(text))
        placed = {option: stack.enter_context(_in_memory(data)) for option, data in files.items()}
        options = [word for option, fd in placed.items() for word in (option, f"/proc/self/fd/{fd}")]
        named = [stack.enter_context(_in_memory(data)) for data in operands]
        command = [program, *argv, *options, *(f"/proc/self/fd/{fd}" for fd in named)]
        inherited = [*placed.values(), *named]
        return read_output(command, _environment(), seconds, _MOST_OUTPUT, source=source, inherited=inherited)


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """Yield a descriptor of a file in memory with this content."""
    with open(os.memfd_create("pacha", os.MFD_CLOEXEC), "wb") as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _environment() -> dict[str, str]:
    home = "/root" if os.geteuid() == 0 else home_dir()
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Without a program to ask with, ssh-keygen would read a key's passphrase from its input, which is the text.
    asking = {} if "SSH_ASKPASS" in passed_on else {"SSH_ASKPASS": "/bin/false"}
    return {"PATH": PATH, "HOME": home, "LC_ALL": "C", **passed_on, **asking, "SSH_ASKPASS_REQUIRE": "force"}
