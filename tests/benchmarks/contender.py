"""The process of one contender.

$ python -m tests.benchmarks.contender MODULE CASE ours|peer BASE_URL

For each number on a line of its input it runs a round, and prints its cost.
"""

import asyncio
import logging
import sys
import time
from importlib import import_module

from tests.benchmarks.harness import Contender


async def compete(contender: Contender, base_url: str) -> None:
    """Run rounds until the input ends."""
    async with contender(base_url) as play:
        for line in sys.stdin:  # nothing runs between two rounds
            started = time.process_time()
            cost = await play(int(line))
            seconds = time.process_time() - started
            print(seconds if cost is None else cost, flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # such as that a bot makes no webhook
    name, case, side, base_url = sys.argv[1:]
    module = import_module(name)
    (contender,) = (getattr(each, side) for each in module.CASES if each.name == case)
    with asyncio.Runner(loop_factory=getattr(module, "loop_factory", None)) as runner:
        runner.run(compete(contender, base_url))
