"""The command completion."""

from typing import Literal

from webex_webhooks_async.cli import app
from webex_webhooks_async.cli.console import stdout


def command(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print a script that lets a shell complete commands, options and Webex's words.

    $ webex-webhooks completion bash >> ~/.bash_completion
    $ webex-webhooks completion zsh > ~/.zfunc/_webex-webhooks
    $ webex-webhooks completion fish > ~/.config/fish/completions/webex-webhooks.fish

    Args:
        shell: The shell.
    """
    stdout().out(app.app.generate_completion(shell=shell), highlight=False)
