"""What anyone may send, against texts that make regular expressions slow."""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

import webex_webhooks_async
from webex_webhooks_async import Message
from webex_webhooks_async.bot.contexts.writing import split_markdown
from webex_webhooks_async.bot.fetching import text_without_mention

pytestmark = pytest.mark.once

PACKAGE = Path(webex_webhooks_async.__file__).parent
SOURCES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
    if "import re\n" in path.read_text("utf-8")
}

PARSER: Any = importlib.import_module("re._parser")
IN_CATEGORIES = {"SPACE": " ", "DIGIT": "1", "WORD": "a", "NOT_SPACE": "a"}

LENGTHS = (20, 320, 5_120)
MUCH = 64
"""A text of 16 times the length takes 16 times as long, or 256 times if that is quadratic."""
LEAST = 3e-4  # seconds: less than that isn't compared


@cache
def patterns() -> Mapping[str, re.Pattern[str]]:
    """The patterns that modules hold, and those that stand in a call."""
    found: list[re.Pattern[str]] = []
    for module, source in SOURCES.items():
        found += held_by(vars(imported(module)))
        for call in ast.walk(ast.parse(source)):
            match call:
                case ast.Call(ast.Attribute(ast.Name("re")), [ast.Constant(str(pattern)), *_]):
                    found.append(re.compile(pattern))
                case _:
                    pass
    return {each.pattern: each for each in reversed(found)}


def held_by(names: Mapping[str, object]) -> Iterator[re.Pattern[str]]:
    """Patterns, alone or as keys, among the values of names."""
    for value in names.values():
        values = cast("dict[object, object]", value) if isinstance(value, dict) else [value]
        for each in values:
            if isinstance(each, re.Pattern):
                yield cast("re.Pattern[str]", each)


def way_to_use(pattern: re.Pattern[str]) -> Callable[[str], object]:
    """Search for all, unless the package looks only at the beginning of a text."""
    for module, source in SOURCES.items():
        if re.search(rf"fullmatch\(\s*r?\"{re.escape(pattern.pattern)}\"", source):
            return pattern.fullmatch
        for name in re.findall(r"^(\w+) = re\.compile\(", source, re.MULTILINE):
            held: object = getattr(imported(module), name)
            searches = rf"{name}\.([sf]\w+|match\(state)"  # which markdown-it passes at each place
            if held is pattern and not re.search(searches, source):
                return pattern.match
    return pattern.findall


def imported(name: str) -> ModuleType:
    """The module or package with this name."""
    return importlib.import_module(name.removesuffix(".__init__"))


def slow_texts(pattern: re.Pattern[str]) -> Iterator[Callable[[int], str]]:
    """Texts that grow: a beginning, what repeats, and an end that may not fit."""
    tree = list(PARSER.parse(pattern.pattern, pattern.flags))
    starts = [("", example(tree)), *repeats(tree, "")]
    literals = [each for each in "`'\"<>@:=;,.|/" if each in pattern.pattern]
    begins = [begin for begin, _ in starts]
    starts += [("", begin + each) for begin, each in starts]
    starts += [(a, b.removeprefix(a)) for a in begins for b in begins if b.startswith(a)]
    for begin, repeated in dict.fromkeys(starts):
        for end in ("", "\0", "\n", *literals):
            yield partial(growing, begin, repeated, end)


def growing(begin: str, repeated: str, end: str, length: int) -> str:
    """A text of about this length."""
    return begin + repeated * (length // max(1, len(repeated))) + end


def repeats(tree: list[Any], begin: str) -> Iterator[tuple[str, str]]:
    """What may repeat without a limit, each with what comes before it."""
    for index, (op, detail) in enumerate(tree):
        before = begin + example(tree[:index])
        if str(op).endswith("_REPEAT"):
            _, most, body = detail
            if most > 100:
                yield from ((before, each) for each in examples(list(body)))
        for inner in inside(str(op), detail):
            yield from repeats(inner, before)


def inside(op: str, detail: Any) -> list[list[Any]]:  # noqa: ANN401 - a part of a parsed pattern
    """The parts of a part of a pattern."""
    match op:
        case "BRANCH":
            return [list(each) for each in detail[1]]
        case "SUBPATTERN":
            return [list(detail[3])]
        case "ATOMIC_GROUP":
            return [list(detail)]
        case "ASSERT" | "ASSERT_NOT":
            return [list(detail[1])]
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [list(detail[2])]
        case _:
            return []


def example(tree: list[Any]) -> str:
    """A short text that fits."""
    return "".join(next(iter(examples([each]))) for each in tree)


def examples(tree: list[Any]) -> list[str]:
    """Short texts that fit: for one set of characters, one of each of its parts."""
    if len(tree) != 1:
        return [example(tree)]
    op, detail = str(tree[0][0]), tree[0][1]
    match op:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            return one_character(op, detail)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [example(list(detail[2])) * detail[0]]
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return [""]
        case _:
            return [example(inside(op, detail)[0])]


def one_character(op: str, detail: Any) -> list[str]:  # noqa: ANN401 - a part of a parsed pattern
    """Characters that fit."""
    if op == "LITERAL":
        return [chr(detail)]
    if op != "IN":
        return [each for each in "a -" if each != chr(detail or 0)]
    members = [member for each in detail for member in of_set(str(each[0]), each[1])]
    if str(detail[0][0]) == "NEGATE":
        return [each for each in "a -1" if each not in members]
    return members


def of_set(op: str, detail: Any) -> list[str]:  # noqa: ANN401 - a part of a parsed pattern
    """The characters of a member of a set, or some of them."""
    match op:
        case "LITERAL":
            return [chr(detail)]
        case "RANGE":
            return [chr(detail[0]), chr(detail[1])]
        case "CATEGORY":
            return [IN_CATEGORIES[str(detail).removeprefix("CATEGORY_")]]
        case _:
            return []


def seconds(use: Callable[[str], object], text: str) -> float:
    """The CPU time that this takes, which no pause of the machine is a part of."""
    taken: list[float] = []
    for _ in range(3):
        started = time.process_time()
        use(text)
        taken.append(time.process_time() - started)
        if taken[-1] < LEAST:
            break
    return max(min(taken), LEAST)


@pytest.mark.parametrize("pattern", patterns().values(), ids=patterns())
def test_a_pattern_takes_as_long_as_the_text_is(pattern: re.Pattern[str]) -> None:
    """No text makes it much slower than its length does: what anyone sends can't stop the loop."""
    use = way_to_use(pattern)
    for text in slow_texts(pattern):
        before = LEAST
        for length in LENGTHS:
            taken = seconds(use, text(length))
            assert taken <= MUCH * before, f"{taken:.3f} s for {text(length)[:80]!r}"
            before = taken


def cut(length: int) -> object:
    """Cut markdown that never becomes a fence."""
    return list(split_markdown("```" + " " * length + "`"))


def look_for_mentions(length: int) -> object:
    """Look for names of many words that the text almost has."""
    name = f'<spark-mention data-object-id="ME">{"a " * 400}b</spark-mention>'
    message = Message(id="M", room_id="R", text="a " * (length // 2), html=name * (length // 900))
    return text_without_mention(message, "ME")


@pytest.mark.parametrize("do", [cut, look_for_mentions])
def test_a_bot_takes_as_long_as_a_text_is(do: Callable[[int], object]) -> None:
    """Neither a text that it replies, nor one that it gets, stops the loop."""
    short, long = (partial(do, length) for length in (8_000, 128_000))

    assert seconds(lambda _: long(), "") <= MUCH * seconds(lambda _: short(), "")
