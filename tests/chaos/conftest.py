"""Leaves most of the chaos to `nox -s chaos`, which runs all of it at full size."""

import os

import pytest

IN_THE_SUITE = {"test_replicas", "test_kill[2]", "test_said_while_all_were_down[alone]"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select a few tests of this folder, unless a size is asked for."""
    if "CHAOS_NOTIFICATIONS" in os.environ:
        return
    here = {each for each in items if "tests/chaos/" in each.nodeid}
    left_out = [each for each in here if each.name not in IN_THE_SUITE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]
