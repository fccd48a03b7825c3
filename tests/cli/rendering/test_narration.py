import asyncio
import io

import respx
from rich.console import Console

from webex_webhooks_async.cli.rendering.narration import Narrator


def narrator() -> tuple[Narrator, io.StringIO]:
    """A narrator in a pipe, and what it has printed."""
    printed = io.StringIO()
    return Narrator(Console(file=printed, width=200)), printed


async def step_of_an_example(places: list[str]) -> None:
    """Put something somewhere. It may be found there."""
    for place in places:
        await asyncio.sleep(0)
        places.append(place)


async def test_a_step() -> None:
    """A step has a number, a headline, an explanation, and the code that is run."""
    narrating, printed = narrator()

    await narrating.step(step_of_an_example)

    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    assert lines[1].rstrip(" ─") == "1  Put something somewhere"
    assert lines[2:] == [
        "   It may be found there.",
        "   for place in places:",
        "       await asyncio.sleep(0)",
        "       places.append(place)",
    ]


async def test_wide_terminals() -> None:
    """Lines are at most 100 columns wide."""
    narrating, printed = narrator()

    await narrating.step(step_of_an_example)

    assert max(map(len, printed.getvalue().splitlines())) == 100


async def test_a_narrated_client() -> None:
    """Each request and its response are one line; the path is shortened to fit."""
    narrating, printed = narrator()
    async with narrating.narrated_client(trust_env=False) as http_client, respx.mock:
        respx.get().respond(418)
        await http_client.get(f"http://example.com/{'x' * 200}?y=1")

    (line,) = printed.getvalue().splitlines()
    assert line.startswith("   → GET /xxxx")
    assert line.endswith("… 418 I'm a Teapot")
