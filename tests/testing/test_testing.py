import sys
from importlib import import_module
from types import ModuleType

import pytest

from webex_webhooks_async import testing


def test_what_is_not_there() -> None:
    """Another name is missing, as in any module."""
    with pytest.raises(AttributeError, match=r"'webex_webhooks_async\.testing'.*'Sandpit'"):
        getattr(testing, "Sandpit")  # noqa: B009 - type checkers know that it isn't there


@pytest.mark.parametrize("missing", ["uvicorn", "starlette"])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Only the sandbox needs the extra, and says what to install."""
    for name, value in [*vars(testing).items()]:
        if isinstance(value, ModuleType):  # the imports below set those that are read then
            monkeypatch.setattr(testing, name, value)
    ours = ("webex_webhooks_async.testing.", "webex_webhooks_async.testing.loopback_server")
    for name in [name for name in sys.modules if name.startswith(ours)]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)

    import_module("webex_webhooks_async.testing.samples")
    with pytest.raises(ImportError, match=rf'needs {missing}.*"webex-webhooks-async\[sandbox\]"'):
        _ = testing.Sandbox
