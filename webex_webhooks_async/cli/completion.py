"""The command completion: lets a shell complete commands, options and Webex's words."""

from typing import Literal

from webex_webhooks_async.cli import app


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print what makes a shell complete this command.

    $ webex-webhooks completion bash >> ~/.bash_completion
    $ webex-webhooks completion zsh > ~/.zfunc/_webex-webhooks
    $ webex-webhooks completion fish > ~/.config/fish/completions/webex-webhooks.fish

    Args:
        shell: Which shell.
    """
    print(app.app.generate_completion(shell=shell))  # noqa: T201 - a script, as it is
