"""Why a character cannot be part of a name, an address or a line: no page or email can carry it, or no font of the documents has it."""

from campaign.rules import typed_text
from campaign.texts.catalogue import gettext_noop, translator

_UNREADABLE = gettext_noop("Some of this text could not be read. Please type it again.")
_VISIBLE = gettext_noop("The character “%(character)s” (%(code)s) cannot be used here. Please remove it.")
_INVISIBLE = gettext_noop("This has an invisible character (%(code)s) that cannot be used. Please delete the text and type it again.")
_UNPRINTABLE = gettext_noop("“%(character)s” (%(code)s) cannot be printed on a receipt. Please write it another way.")


def describe_forbidden(character: str, language: str) -> str:
    """That this character is part of no name."""
    code, gettext = typed_text.code_points(character), translator(language).gettext
    if character == typed_text.UNREADABLE:
        return gettext(_UNREADABLE)
    return gettext(_VISIBLE if typed_text.is_visible(character) else _INVISIBLE, character=character, code=code)


def describe_unprintable(characters: str, language: str) -> str:
    """That no font of the receipt has these characters."""
    return translator(language).gettext(_UNPRINTABLE, character=characters, code=typed_text.code_points(characters))
