"""Starts the bot of flask_bot.py with each worker of gunicorn.

$ gunicorn --workers 2 --config gunicorn_settings.py flask_bot:app
"""

# ruff: noqa: PLC0415 - gunicorn finds the application after it has read this file


def post_worker_init(_worker: object) -> None:
    from flask_bot import bot_thread  # type: ignore[import-not-found] # a checker's path lacks it

    bot_thread.start()
