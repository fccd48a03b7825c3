import sys
from pathlib import Path

import pytest

from webex_webhooks_async.cli.dev.reporting import place_of


def test_where_an_error_was_raised(tmp_path: Path) -> None:
    """The place is the last one in the folder of the program, of the first error in a group."""
    (tmp_path / "site-packages").mkdir()
    library = tmp_path / "site-packages" / "library.py"
    library.write_text("def fail():\n    raise KeyError\n", encoding="utf-8")
    code = compile("def lunch():\n\n    fail()\n", tmp_path / "bot.py", "exec")
    names: dict[str, object] = {}
    exec(compile(library.read_text(encoding="utf-8"), library, "exec"), names)  # noqa: S102 - ours
    exec(code, names)  # noqa: S102 - the same
    lunch = names["lunch"]
    assert callable(lunch)
    with pytest.raises(KeyError) as failure:
        lunch()

    group = ExceptionGroup("several", [failure.value, ValueError()])
    assert place_of(group, tmp_path) == " in lunch, bot.py:3"
    assert place_of(failure.value, Path(sys.prefix) / "elsewhere") == ""


def test_an_error_that_nobody_raised() -> None:
    """An error without a place in the program has none."""
    assert place_of(ValueError(), Path("/")) == ""
