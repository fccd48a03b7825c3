"""A bot that takes orders for lunch, in a FastAPI application. It was written with wxc_sdk.

$ uvicorn moved_from_wxc_sdk:app

Webex posts to https://bot.example.com/webex/, which is the WEBEX_TARGET_URL.
"""

from fastapi import FastAPI

from webex_webhooks_async import Bot, MessageContext, SubmissionContext, lifespan_of

bot = Bot.from_env(name="lunch")  # WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, WEBEX_TARGET_URL

MENU = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish"}],
    "actions": [{"type": "Action.Submit", "title": "Order", "data": {"action": "order"}}],
}


app = FastAPI(lifespan=lifespan_of(bot))
app.mount("/webex", bot)


@bot.command("order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    await context.reply(f"Ordered: {context.arguments or 'nothing'}")


@bot.command("menu")
async def menu(context: MessageContext) -> None:
    """Choose from the menu."""
    await context.reply("What would you like?", card=MENU)


@bot.submission("order")
async def ordered(context: SubmissionContext) -> None:
    await context.reply(f"Ordered: {context.inputs.get('dish')}")


@bot.message()
async def show_help(context: MessageContext) -> None:
    await context.reply(markdown=bot.help)
