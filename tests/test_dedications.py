"""A name is joined to the French word before it as it is spoken, where its first letter says how."""

import pytest

from campaign.texts.dedications import dedication, gift_notice


@pytest.mark.parametrize(
    ("name", "french"),
    [
        ("Anne Roy", "À la mémoire d’Anne Roy"),
        ("Œnone Tremblay", "À la mémoire d’Œnone Tremblay"),
        ("Émile", "À la mémoire d’Émile"),
        ("our nurses", "À la mémoire d’our nurses"),
        ("Marc", "À la mémoire de Marc"),
        ("Çelik", "À la mémoire de Çelik"),
        ("Léa", "À la mémoire de Léa"),
        ("Hélène", "À la mémoire de\u00a0: Hélène"),
        ("Yves", "À la mémoire de\u00a0: Yves"),
        ("Les infirmières", "À la mémoire de\u00a0: Les infirmières"),
        ("onze amies", "À la mémoire de\u00a0: onze amies"),
        ("du Pont", "À la mémoire de\u00a0: du Pont"),
        ("Łukasz", "À la mémoire de Łukasz"),
        ("Ørsted", "À la mémoire d’Ørsted"),
        ("Анна", "À la mémoire de\u00a0: Анна"),
        ("37 nurses", "À la mémoire de\u00a0: 37 nurses"),
        ("%(name)s", "À la mémoire de\u00a0: %(name)s"),
        ("", "À la mémoire de\u00a0: "),
    ],
)
def test_a_dedication_names_somebody(name: str, french: str) -> None:
    assert dedication("memory", name, "fr") == french
    assert dedication("memory", name, "en") == f"In memory of {name}"


def test_a_card_names_somebody_in_both_languages() -> None:
    assert gift_notice("honour", "Ana", "fr") == "Un don a été fait en l’honneur d’Ana"
    assert gift_notice("honour", "Ana", "en") == "A gift was made in honour of Ana"
    assert gift_notice("memory", "Paul", "fr") == "Un don a été fait à la mémoire de Paul"
