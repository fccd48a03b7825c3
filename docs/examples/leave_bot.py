"""A bot that asks, also somebody else, and uses the answers.

$ uvicorn leave_bot:bot

WEBEX_INBOX is the file in which it keeps what was asked and answered.
"""

from datetime import timedelta

from webex_webhooks_async import Bot, MessageContext

BOSS = "you@example.com"  # so that you can try it alone

bot = Bot.from_env()


@bot.command("leave")
async def leave(context: MessageContext) -> None:
    """Ask for leave."""
    day = await context.ask("Which day?")
    decision = await context.ask(
        f"{context.message.person_email}: leave on {day.text}",
        buttons={"approved": "Approve", "rejected": "Reject"},
        to_person_email=BOSS,
        timeout=timedelta(days=3),
        default=None,
    )  # in place of the card, the boss reads "...: leave on Monday **Approve**" now
    answer = "your manager hasn't answered" if decision is None else decision.action
    await context.reply(f"{day.text}: {answer}")


@bot.command("cancel")
async def cancel(context: MessageContext) -> None:
    """Stop what you have begun here."""
    await context.reply("Stopped." if await context.stop_earlier() else "There is nothing to stop.")
