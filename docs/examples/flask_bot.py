"""A bot in a Flask application, which has no event loop.

$ flask --app flask_bot run
$ gunicorn --preload --workers 2 flask_bot:app

Webex posts to https://bot.example.com/webex, which is the WEBEX_TARGET_URL.
"""

from flask import Flask, Response, request

from webex_webhooks_async import Bot, MessageContext, ReceiverThread

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1_048_576  # the bot's own limit; Flask has none
bot = Bot.from_env()
bot_thread = ReceiverThread(bot)


@bot.message()
async def echo(context: MessageContext) -> None:
    await context.reply(f"You said: {context.text or 'nothing'}")


@app.post("/webex")
def webex() -> Response:
    return Response(status=bot_thread.handle(request.get_data(), request.headers))


@app.get("/health")
def health() -> str:
    bot_thread.start()
    return str(bot.me.display_name)
