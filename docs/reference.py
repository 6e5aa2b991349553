"""Writes ``docs/commands.rst``, the page of every command and option, from the help of the commands themselves.

``python docs/reference.py > docs/commands.rst``. A test compares the page with what the commands say.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pacha.cli import cli

_WIDTH = 118
_HEAD = """\
.. Written by docs/reference.py from the help of the commands: change that, and run it again.

Commands
========
::

    pacha [--config FILE] [-q] [-v] COMMAND ...

Each command may also be spelt as a flag: ``pacha --rebuild bar`` is ``pacha rebuild bar``. ``pacha COMMAND --help``
says what stands here. ``-q`` and ``-v`` may follow the command, too.

Options of every command
------------------------
"""
_TAIL = """\
Exit codes
----------
.. include:: exit-codes.rst
   :start-after: .. the codes begin
   :end-before: .. the codes end

Files and environment
---------------------
``/etc/pacha/pacha.conf``
    The configuration, :manpage:`pacha.conf(5)`, which also says where else it is looked for.
``/var/lib/pacha``
    Pacha's own folder, ``$XDG_STATE_HOME/pacha`` for other users than root; ``$PACHA_STATE`` is another.
``/pacha/hosts``
    On a master, the folder that has one folder for each host.

See also
--------
:manpage:`pacha.conf(5)`, :manpage:`hg(1)`, :manpage:`sshd(8)`
"""


def page() -> str:
    """The whole page, as reStructuredText."""
    context = click.Context(cli, info_name="pacha", **cli.context_settings)
    parts = [_HEAD.rstrip("\n"), *_options(cli, context), ""]
    for name in cli.list_commands(context):
        parts += _command(cli.get_command(context, name), context, name)
    return "\n".join([*parts, _TAIL])


def _command(command: click.Command | None, parent: click.Context, name: str) -> Iterator[str]:
    if command is None or command.hidden:
        return
    context = click.Context(command, info_name=name, parent=parent)
    title = context.command_path
    yield from (title, "-" * len(title), "::", "", f"    {' '.join([title, *_usage(command, context)])}", "")
    yield from _help(command)
    options = list(_options(command, context))
    yield from [*options, ""] if options else []
    for below in sorted(getattr(command, "commands", {})):
        yield from _command(command.commands[below], context, below)  # type: ignore[attr-defined]


def _usage(command: click.Command, context: click.Context) -> list[str]:
    return [piece for piece in command.collect_usage_pieces(context) if piece]


def _help(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            yield from _block(paragraph.removeprefix("\b\n"))
        else:
            yield from (*textwrap.wrap(_prose(" ".join(paragraph.split())), _WIDTH, break_on_hyphens=False), "")


def _block(text: str) -> Iterator[str]:
    """Lines that are to stay as they are: an example, most of the time."""
    first, _, rest = text.partition("\n")
    title, colon, example = first.partition(":")
    lines = textwrap.dedent(f"{example.strip()}\n{textwrap.dedent(rest)}").strip("\n") if colon else text
    yield from (f"{_prose(title)}::" if colon else "::", "", textwrap.indent(lines, "    "), "")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        record = option.get_help_record(context)
        if record is not None:
            yield f"``{record[0]}``"
            said = _prose(" ".join(record[1].split())) or "."
            yield from (f"    {line}" for line in textwrap.wrap(said, _WIDTH - 4, break_on_hyphens=False))


def _prose(text: str) -> str:
    """The words of a help, with what is typed shown as such."""
    escaped = re.sub(r"([\\*`|])|(?<=\w)(_)(?=\W|$)", r"\\\1\2", text)
    escaped = re.sub(r"'((?:pacha|install|-)[^']*)'", r"``\1``", escaped)
    return re.sub(r"(?<![\w`/-])(--?[a-z][a-z-]*)(?![^`]*``(?:[^`]|$))", r"``\1``", escaped)


if __name__ == "__main__":
    sys.stdout.write(page())
