"""An agent of Pydantic AI whose tool asks the person: uvicorn agent_bot:bot."""

from pydantic import TypeAdapter
from pydantic_ai import Agent, ModelAPIError, ModelResponse, RunContext
from pydantic_ai.capabilities import Hooks, WrapModelRequestHandler
from pydantic_ai.exceptions import ModelRequestRejectedError
from pydantic_ai.models import ModelRequestContext

from webex_webhooks_async import Bot, MessageContext, RetryLaterError, once

Run = RunContext[MessageContext]

bot = Bot.from_env()
hooks = Hooks[MessageContext]()
agent = Agent("openai-chat:gpt-5-mini", deps_type=MessageContext, capabilities=[hooks])
responses = TypeAdapter(ModelResponse)


@hooks.on.model_request
async def record(
    run: Run, *, request_context: ModelRequestContext, handler: WrapModelRequestHandler
) -> ModelResponse:
    async def call() -> object:
        return responses.dump_python(await handler(request_context), mode="json")

    return await once(f"turn {run.run_step}", call, into=responses.validate_python, stoppable=True)


@agent.tool(sequential=True)
async def order(run: Run, dish: str) -> str:
    """Order a dish, if the person presses a button."""
    pressed = await run.deps.ask(f"Order {dish}?", buttons={"ordered": "Yes", "refused": "No"})
    return str(pressed.action)


@bot.message(in_order=False)
async def answer(context: MessageContext) -> None:
    try:
        async with context.stream() as reply, agent.run_stream(context.text, deps=context) as run:
            async for text in run.stream_text():
                reply.text = text
    except ModelRequestRejectedError:
        raise
    except ModelAPIError as error:
        raise RetryLaterError(f"the model is out: {error}", after=10) from error
