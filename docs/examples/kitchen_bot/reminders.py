"""A reminder: a job, which any process runs when it is due."""

from webex_webhooks_async import BotRouter, JobContext

router = BotRouter()


@router.job("remind")
async def remind(context: JobContext) -> None:
    await context.send("Lunch is ready!", **context.value)
