"""Markdown as Webex renders it: to HTML and to plain text, with its mentions.

Facts: https://developer.webex.com/docs/basics#formatting-messages
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import frozen
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson

_MENTION = re.compile(r"<@(?:person(?:Id|Email):\s*([^<|>\s]+)\s*|(all))(?:\|([^<>]*))?>")


@frozen(kw_only=True)
class Rendered:
    """What people see of markdown. HTML in it is shown as it is written.

    In the text, paragraphs and their lines are one line; what lists, headings and code become isn't
    known, and has a line for each.
    """

    html: str
    text: str
    mentioned: tuple[SandboxPerson, ...]
    mentions_all: bool


def render(markdown: str, named: Callable[[str], SandboxPerson]) -> Rendered:
    """Render markdown; `named` finds a person by id or address, and what it raises is raised."""
    env: dict[str, Any] = {"named": named}
    tokens = _RENDERER.parse(markdown, env)
    mentions = [each for token in tokens for each in token.children or () if each.type == "mention"]
    persons = {each.meta["person"].id: each.meta["person"] for each in mentions if each.meta}
    return Rendered(
        html=_RENDERER.renderer.render(tokens, _RENDERER.options, env).strip(),
        text="".join(_pieces(tokens)),
        mentioned=tuple(persons.values()),
        mentions_all=any(not each.meta for each in mentions),
    )


def mention(person: SandboxPerson | None, name: str) -> str:
    """The HTML of a mention of someone, or of everyone."""
    who = (
        'data-object-type="groupMention" data-group-type="all"'
        if person is None
        else f'data-object-type="person" data-object-id="{html.escape(person.id)}"'
    )
    return f"<spark-mention {who}>{html.escape(name)}</spark-mention>"


def _pieces(tokens: Sequence[Token]) -> Iterator[str]:
    """The texts of the blocks, each with what separates it from the one before."""
    was_paragraph = None
    for place, token in enumerate(tokens):
        if token.children is not None:
            text = "".join(map(_plain, token.children))
        elif token.content:  # a block of code
            text = token.content.rstrip("\n")
        else:
            continue
        is_paragraph = token.level == 1 and tokens[place - 1].type == "paragraph_open"
        if was_paragraph is not None:
            yield " " if was_paragraph and is_paragraph else "\n"
        yield text
        was_paragraph = is_paragraph


def _plain(token: Token) -> str:
    return " " if token.type in {"softbreak", "hardbreak"} else token.content


def _render_break(*_: object) -> str:
    return "<br>"


def _render_end_of_paragraph(
    _renderer: RendererProtocol, tokens: Sequence[Token], index: int, *_: object
) -> str:
    return "" if tokens[index].hidden else "</p>"


def _parse_mention(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - as the rules are called
    match = _MENTION.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:  # as in a link's text, which is parsed twice
        person = state.env["named"](match[1]) if match[1] else None
        token = state.push("mention", "", 0)
        token.meta = {"person": person} if person else {}
        token.content = match[3] or (person.display_name if person else "All")
    state.pos = match.end()
    return True


def _render_mention(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    _options: OptionsDict,
    _env: EnvType,
) -> str:
    return mention(tokens[index].meta.get("person"), tokens[index].content)


_RENDERER = MarkdownIt("commonmark", {"html": False})
_RENDERER.inline.ruler.before("autolink", "mention", _parse_mention)
_RENDERER.add_render_rule("mention", _render_mention)
_RENDERER.add_render_rule("paragraph_close", _render_end_of_paragraph)
_RENDERER.add_render_rule("softbreak", _render_break)
_RENDERER.add_render_rule("hardbreak", _render_break)
