"""Options of commands whose text documents print or emails carry: never blank, and without characters that no font or header has (policy.md, 4)."""

import click

from campaign.edges import pdf
from campaign.rules import typed_text
from campaign.texts.characters import describe_forbidden, describe_unprintable

LANGUAGE = "en"
Texts = str | tuple[str, ...] | None


def line(_context: click.Context, _parameter: click.Parameter, value: Texts) -> Texts:
    """The text, or each of several, cleaned, as a click callback. Raises BadParameter, which names the option and the character."""
    if value is None:
        return None
    return _read(value) if isinstance(value, str) else tuple(map(_read, value))


def printed(context: click.Context, parameter: click.Parameter, value: Texts) -> Texts:
    """As `line`, for what documents print."""
    read = line(context, parameter, value)
    texts = (read,) if isinstance(read, str) else read or ()
    if characters := pdf.first_unprintable(*texts):
        raise click.BadParameter(describe_unprintable(characters, LANGUAGE))
    return read


def _read(typed: str) -> str:
    text = typed_text.clean(typed)
    if not text:
        raise click.BadParameter("It is blank.")
    if character := typed_text.first_forbidden(text):
        raise click.BadParameter(describe_forbidden(character, LANGUAGE))
    return text
