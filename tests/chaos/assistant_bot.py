"""The assistant of docs/examples on PostgreSQL: `uvicorn --app-dir tests/chaos assistant_bot:bot`.

It begins in the folder of the examples, and keeps its turns in FOLDER.
"""

import importlib
import logging
import os
import sys
from functools import partial

from webex_webhooks_async import Bot, PostgresInbox

logging.basicConfig(level=logging.WARNING)

inbox = PostgresInbox(os.environ["DATABASE"], lease=float(os.environ["LEASE"]))
secret = os.environ["WEBEX_WEBHOOK_SECRET"]  # it has spaces
setattr(Bot, "from_env", partial(Bot.from_env, secrets=secret, inbox=inbox))  # noqa: B010 - for type checkers
sys.path.insert(0, os.getcwd())  # noqa: PTH109 - sys.path has texts
os.chdir(os.environ["FOLDER"])
bot = importlib.import_module("model_bot").bot
