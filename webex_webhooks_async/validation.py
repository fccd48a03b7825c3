"""Checks of arguments, so that a wrong one is refused at once and by its name."""

import re
from types import NoneType


def check_type(name: str, value: object, *expected: type) -> None:
    """Refuse an argument of a wrong type, before it leads to an error that says less.

    Raises:
        TypeError: The value is of none of the expected types.
    """
    given = type(value).__name__
    if isinstance(value, type):  # one with the methods that a protocol asks for
        given = f"the class {value.__name__}: pass an instance"
    elif isinstance(value, expected) and given != "bool":  # isinstance takes one for an int
        return
    names = " or ".join(each.__name__ for each in expected if each is not NoneType)
    raise TypeError(f"{name} must be {names}, got {given}")


def check_text(name: str, text: object) -> None:
    """Refuse an argument that is no text, or text that no request and no signature can hold.

    Raises:
        ValueError: It isn't valid Unicode. It isn't shown.
        TypeError: It is no string.
    """
    check_type(name, text, str)
    if re.search(r"[\ud800-\udfff]", str(text)):
        raise ValueError(
            f"{name} is not valid Unicode, probably because it was read from bytes that aren't "
            "UTF-8, as os.environ does without an error; write it in UTF-8 there"
        )


def check_segment(name: str, segment: str) -> str:
    """Refuse an argument that can't be a segment of a path; return one that can.

    Raises:
        ValueError: It is empty or isn't valid Unicode.
        TypeError: It isn't a string.
    """
    check_text(name, segment)
    if not segment:
        raise ValueError(f"{name} is empty")
    return segment
