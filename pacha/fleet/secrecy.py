"""Decide what no digest and no report shows of a host: only its path is named. docs/fleet.rst explains it to users.

Not shown is a file that is named like a private key, a password file or the like; that others may not read, or not
reach because of a folder above; or that contains a private key. In all other files, a line with a password, a token or
the hash of a password is not shown. No rule recognises every secret: this one hides too much rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pacha.files.exclude import Rules
from pacha.files.paths import ancestors, name
from pacha.sealing.readable import PRIVATE_KEY, SECRET_NAME

#: Returns the mode of a path, None where it is not known.
ModeOf = Callable[[bytes], int | None]

BY_NAME = "its name is that of a secret"
BY_RULE = "pacha.secret names it"
BY_MODE = "others may not read it"
BY_FOLDER = "others may not enter a folder above it"
BY_SEAL = "it is sealed"
BY_CONTENT = "it has a private key in it"
LINE = b"(a line that looks like a secret is not shown)"

LONGEST_LINE = 2000  #: bytes of a line that are searched; no more may be shown
_LONGEST_NAME = 255  #: bytes of a component (NAME_MAX)
_OTHERS_READ = 0o004
_OTHERS_ENTER = 0o001
_COPY = re.compile(rb"(?i)(?:~|-|[.~_-](?:bak|old|orig|save|copy|swp|dpkg-[a-z]+|ucf-[a-z]+|rpm[a-z]+|\d+))+\Z")
_NAMES = re.compile(
    rb"(?i)(?:"
    rb"g?shadow|opasswd|chap-secrets|pap-secrets|sasl_passwd\w*|\.?htpasswd|\.?htdigest|master\.passwd"
    rb"|id_(?:rsa|dsa|ecdsa|ed25519|xmss)\w*|identity|(?:.*[._-])?(?:private)?key|.*\.(?:ppk|p8|keystore|kdbx?)"
    rb"|.*\.(?:nmconnection|ovpn)|wpa_supplicant.*\.conf|\.vault[_-]pass.*"
    rb"|[._]netrc|\.pgpass|\.my\.cnf|\.mylogin\.cnf|debian\.cnf|\.npmrc|\.pypirc|\.dockercfg|\.?kubeconfig"
    rb"|\.?authinfo|\.git-credentials|\.env|\.env\..*|.*\.env|random[_-]seed|\.\w*_?history"
    rb"|(?:.*[._])?(?:passwords?|passphrases?|secrets?|tokens?|credentials?|api[_-]?keys?)(?:\.[a-z]+)?"
    rb")\Z"
)
_WORD = rb"(?:pass(?:word|phrase|wd)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|psk|authkey)s?"
_LINE = re.compile(
    # "passwd: files systemd" is of nsswitch.conf(5)
    rb"(?i)(?:\b|_|-)(?!passwd:\s+(?:files|compat|db|nis|sss|ldap|winbind)\b)"
    + _WORD
    + rb"[\w-]*[\"']?\]?\s*(?:=|:=|=>|:(?!//)|>)\s*\S"
    # "password" begins lines of pam.conf(5) as well, and sentences
    rb"|\b(?:password|passwd|passphrase|secret)\s+(?!\[|requi|suff|opti|incl|subs)[\"']?[^\s\"']*[^a-z\s\"']\S*"
    rb"|\b(?:requirepass|masterauth|identified by|bearer|basic|rocommunity|rwcommunity)\s+\S{4,}"
    rb"|://[^/\s:@]*:[^/\s@]+@"
    rb"|\$(?:1|2[abxy]?|5|6|7|y|gy|sm3|md5|apr1|argon2\w*|pbkdf2[\w-]*|scrypt)\$[^\s:]{8,}"
    rb"|\{(?:s?sha\d*|s?md5|crypt|pbkdf2\w*)\}\S{8,}"
    rb"|\b(?:AKIA|ASIA)[A-Z0-9]{16}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{10,}"
    rb"|\b[sr]k_(?:live|test)_\w{10,}|\bnpm_\w{30,}|\bpypi-[\w-]{40,}|\bhv[sb]\.[\w-]{20,}|\bAIza[\w-]{30,}"
    rb"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|\bdop_v1_\w{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
)


@dataclass(frozen=True, slots=True)
class Secrecy:
    """The rule, and the additional ``patterns`` of pacha.secret, written as in pacha.exclude."""

    patterns: Sequence[str] = ()
    _rules: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rules", Rules.of_setting("pacha.secret", self.patterns))

    def why_hidden(self, path: bytes, mode_of: ModeOf) -> str:
        """Return why the content at ``path`` is not shown; "" if it may be. An unknown mode hides nothing."""
        component = name(path)
        stem = _COPY.sub(b"", component[-_LONGEST_NAME:]) or component
        if any(names.match(stem) for names in (SECRET_NAME, _NAMES)):
            return BY_NAME
        if self._rules.match_with_parents(path):
            return BY_RULE
        if not _allows(mode_of(path), _OTHERS_READ):
            return BY_MODE
        return "" if all(_allows(mode_of(folder), _OTHERS_ENTER) for folder in ancestors(path)) else BY_FOLDER


def why_hidden_by(content: bytes) -> str:
    """Return why ``content`` is not shown; "" if it may be."""
    return BY_CONTENT if PRIVATE_KEY.search(content) else ""


def without_secrets(line: bytes) -> bytes:
    """Return a line of a diff as it may be shown: with its sign, and of a long line only the beginning."""
    seen = line[:LONGEST_LINE]
    return seen[:1] + LINE if _LINE.search(seen[1:]) else seen


def _allows(mode: int | None, bit: int) -> bool:
    return mode is None or bool(mode & bit)
