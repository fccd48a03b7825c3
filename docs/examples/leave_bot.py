"""A bot that asks, and uses the answer.

$ uvicorn leave_bot:bot

WEBEX_INBOX is the file in which it keeps what was asked and answered.
"""

from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env()


@bot.command("leave")
async def leave(context: MessageContext) -> None:
    """Ask for leave."""
    day = await context.ask("Which day?")
    choice = {"sent": "Send it", "dropped": "Never mind"}
    answer = await context.ask(f"Leave on {day.text}?", buttons=choice)
    await context.reply(f"Your request for {day.text} is {answer.action}.")
