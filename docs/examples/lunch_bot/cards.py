"""What the bot says: it offers a card, and confirms what someone submits."""

from webex_webhooks_async import BotRouter, MessageContext, SubmissionContext

LUNCH = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish", "placeholder": "Pasta"}],
    "actions": [{"type": "Action.Submit", "title": "Order"}],
}

router = BotRouter()


@router.message()
async def offer(context: MessageContext) -> None:
    await context.reply("What would you like?", card=LUNCH)


@router.submission()
async def confirm(context: SubmissionContext) -> None:
    await context.reply(f"Ordered: {context.inputs.get('dish') or 'nothing'}")
