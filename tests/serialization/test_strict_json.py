import re
from typing import cast

import pytest

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.serialization.strict_json import dump_json, parse_json


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", r"not JSON \(Expecting value at character 0\)"),
        (b"{} {}", r"not JSON \(Extra data at character 3\)"),
        (b" [1]\n x", r"not JSON \(Extra data at character 6\)"),
        (b" \n{'a': 1}", r"not JSON \(.* at character 3\)"),
        (b'{"a": 1', r"not JSON \(.* at character 7\)"),
        (b"{'a': 1}", r"not JSON \(.* at character 1\)"),
        (b"NaN", "a number is not finite"),
        (b'{"a": -Infinity}', "a number is not finite"),
        (b"1e999", "a number is not finite"),
        (b"9" * 5000 + b".0", "a number is not finite"),
        (b"9" * 5000, "a number has too many digits"),
        (b'{"a": -' + b"1" * 5000 + b"}", "a number has too many digits"),
        (b'{"a": 1, "a": 1}', "an object has a key twice"),
        (b'[{"b": {"a": 1, "c": 2, "\\u0061": 3}}]', "an object has a key twice"),
        (b'\xef\xbb\xbf{"a": 1}', r"not JSON \(.* at character 0\)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), r"not JSON \(.* at character 1\)"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_only_strict_json_is_json(data: bytes, problem: str) -> None:
    """Invalid or ambiguous JSON is refused with the reason."""
    with pytest.raises(DecodeError) as raised:
        parse_json(data)

    (found,) = raised.value.problems
    assert re.fullmatch(rf"\$: {problem}", found)


def test_text_is_read_like_bytes() -> None:
    """JSON can be text; a byte order mark is refused there too."""
    assert parse_json('{"a": "ü"}') == {"a": "ü"}
    with pytest.raises(DecodeError):
        parse_json("\ufeff{}")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' \n[1, -0.5, "\xc3\xbc", null, true]\t', [1, -0.5, "ü", None, True]),
        (b'"\\ud800"', "\ud800"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"9007199254740993", 9007199254740993),
        (b"[" * 200 + b"]" * 200, None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_odd_json_is_json(data: bytes, value: object) -> None:
    """Unusual but unambiguous JSON is read, and can be written."""
    read = parse_json(data)

    assert read == value or value is None
    assert parse_json(dump_json(read)) == read


def test_only_bytes_or_text_come_in() -> None:
    """Something else is refused, in words that say so."""
    with pytest.raises(TypeError, match="JSON must be bytes or str, got int"):
        parse_json(cast("bytes", 5))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            {"x": {"y": [1]}, "a": [1, {"b": object()}]},
            r"\$\.a\[1\]\.b: JSON can't hold a value of type obj",
        ),
        (b"abc", r"\$: JSON can't hold a value of type bytes"),
        ({(1, 2): 3}, r"a key in \$: JSON can't hold a value of type tuple"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_path(value: object, problem: str) -> None:
    """The error leads to the value, and doesn't show it."""
    with pytest.raises(TypeError, match=f"^{problem}"):
        dump_json(value)


@pytest.mark.parametrize("value", [float("nan"), [float("-inf")]])
def test_only_finite_numbers_go_out(value: object) -> None:
    """JSON has neither NaN nor infinity."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json(value)


def test_what_is_too_deep_does_not_go_out() -> None:
    """The error isn't a RecursionError."""
    value: object = 1
    for _ in range(200_000):
        value = [value]

    with pytest.raises(ValueError, match="nested too deeply"):
        dump_json(value)
