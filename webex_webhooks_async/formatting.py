"""Text from elsewhere, made fit for one line of a log, a message or a terminal."""


def describe_exception(error: BaseException) -> str:
    """What an exception of others says; of one that says nothing, its type alone."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def on_one_line(text: str) -> str:
    """Text of others on one line, with nothing in it that a log or a terminal would obey."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
