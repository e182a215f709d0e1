"""``accel completion``: what a shell reads to complete accel's commands and options."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")

VARIABLE = "_ACCEL_COMPLETE"
"""By this variable the shell asks ``accel`` itself for completions."""


@click.command(short_help="What a shell reads to complete commands and options.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Prints a script for a shell to read at its start, after which Tab completes commands and options of accel.

    \b
    bash   echo 'eval "$(accel completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(accel completion zsh)"' >> ~/.zshrc
    fish   accel completion fish > ~/.config/fish/completions/accel.fish
    """
    from click.shell_completion import get_completion_class

    from . import commands

    of_shell = get_completion_class(shell)
    if of_shell is None:
        raise click.ClickException(f"click has no completion for {shell}")
    click.echo(of_shell(commands, {}, "accel", VARIABLE).source())
    return 0
