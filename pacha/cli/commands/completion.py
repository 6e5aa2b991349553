"""completion: print what completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pacha.cli.app import cli
from pacha.errors import ExitCode, UsageError


@cli.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> ExitCode:
    """Print what makes SHELL complete the commands and options of pacha.

    \b
    Example: pacha completion bash > /etc/bash_completion.d/pacha
             pacha completion zsh > /usr/local/share/zsh/site-functions/_pacha
             pacha completion fish > ~/.config/fish/completions/pacha.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"The shell {shell} is not known.", "", "Name another.", code="unknown-shell")
    # Not source(): it runs bash(1) to ask for its version, and warns where bash is missing.
    completion = kind(cli, {}, "pacha", "_PACHA_COMPLETE")
    click.echo(completion.source_template % completion.source_vars())
    return ExitCode.DONE
