"""The card, and what happens when someone submits it."""

from webex_webhooks_async import BotRouter, SubmissionContext

LUNCH = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish", "placeholder": "Pasta"}],
    "actions": [{"type": "Action.Submit", "title": "Order"}],
}

router = BotRouter()


@router.submission()
async def confirm(context: SubmissionContext) -> None:
    await context.reply(f"Ordered: {context.inputs.get('dish') or 'nothing'}")
