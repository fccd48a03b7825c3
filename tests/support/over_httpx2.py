"""A plugin of pytest that runs the tests in a program which has turned httpx into httpx2.

``pytest -p tests.support.over_httpx2`` loads it before anything imports httpx.
"""

import importlib
from typing import Any

import pytest

# Only the session `httpx2` has it.
httpx2: Any = importlib.import_module("httpx2")
httpx2.alias_httpx()

LEFT_OUT = {
    "test_any_other_base_url_is_refused['https://xn--a.com/v1']": (
        "httpx2 accepts a host with broken punycode, which no name server knows"
    ),
    "test_a_redirect_that_httpx_can_t_read_is_a_transport_error": (
        "httpx2 doesn't read the URL of a redirect that it doesn't follow"
    ),
}
"""Tests that can't pass this way, with the reason: one case, or all cases of a test."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what can't run, and what runs over aiohttp."""
    left_out = [
        each
        for each in items
        if each.name in LEFT_OUT
        or each.name.partition("[")[0] in LEFT_OUT
        or "[aiohttp" in each.name
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]


def pytest_report_header() -> list[str]:
    """Say what is tested, and what isn't."""
    return [
        f"httpx is httpx2 {httpx2.__version__}",
        *(f"left out: {name}: {reason}" for name, reason in LEFT_OUT.items()),
    ]
