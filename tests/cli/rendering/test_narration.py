import asyncio
import io

import respx
from rich.console import Console

from webex_webhooks_async.cli.rendering.narration import Narrator


def narrator() -> tuple[Narrator, io.StringIO]:
    """A narrator in a pipe, and what it has printed."""
    told = io.StringIO()
    return Narrator(Console(file=told, width=200)), told


async def step_of_an_example(places: list[str]) -> None:
    """Put something somewhere. It may be found there."""
    for place in places:
        await asyncio.sleep(0)
        places.append(place)


async def test_a_step() -> None:
    """A step has a number, a headline, an explanation, and the code that is run."""
    teller, told = narrator()

    await teller.step(step_of_an_example)

    lines = [line.rstrip() for line in told.getvalue().splitlines()]
    assert lines[1].rstrip(" ─") == "1  Put something somewhere"
    assert lines[2:] == [
        "   It may be found there.",
        "   for place in places:",
        "       await asyncio.sleep(0)",
        "       places.append(place)",
    ]


async def test_wide_terminals() -> None:
    """Lines aren't longer than eyes can follow."""
    teller, told = narrator()

    await teller.step(step_of_an_example)

    assert max(map(len, told.getvalue().splitlines())) == 100


async def test_a_narrated_client() -> None:
    """Each request and its response are one line; the path is shortened to fit."""
    teller, told = narrator()
    async with teller.narrated_client(trust_env=False) as http_client, respx.mock:
        respx.get().respond(418)
        await http_client.get(f"http://example.com/{'x' * 200}?y=1")

    (line,) = told.getvalue().splitlines()
    assert line.startswith("   → GET /xxxx")
    assert line.endswith("… 418 I'm a Teapot")
