"""The columns of an imported file: which headings mean what, in English and in French, and how methods, languages and yes are written in cells."""

import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from campaign.rules.imported_values import ValueFlaw, ValueRefused
from campaign.rules.offline_gifts import OfflineMethod


class ImportField(StrEnum):
    """What a column is. The values are the names of the form's fields."""

    RECEIVED_ON = "received_on"
    AMOUNT = "amount"
    METHOD = "method"
    REFERENCE = "reference"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    ORGANIZATION = "organization"
    EMAIL = "email"
    ADDRESS_LINE1 = "address_line1"
    ADDRESS_LINE2 = "address_line2"
    CITY = "city"
    PROVINCE = "province"
    POSTAL_CODE = "postal_code"
    COUNTRY = "country"
    LANGUAGE = "donor_language"


REQUIRED = (ImportField.RECEIVED_ON, ImportField.AMOUNT)
_HEADINGS: Mapping[ImportField, tuple[str, ...]] = {
    ImportField.RECEIVED_ON: (
        *("date", "received on", "date received", "gift date", "donation date", "deposit date", "day"),
        *("recu le", "date de reception", "date du don", "date recue", "jour"),
    ),
    ImportField.AMOUNT: (
        "amount",
        "gift amount",
        "donation amount",
        "total",
        "gift",
        "donation",
        "montant",
        "montant du don",
        "don",
        "somme",
    ),
    ImportField.METHOD: (
        *("method", "payment method", "paid by", "payment type", "type", "methode", "mode de paiement", "paye par", "moyen de paiement"),
        *("type de paiement", "mode"),
    ),
    ImportField.REFERENCE: (
        *(
            "reference",
            "number",
            "no",
            "cheque number",
            "cheque no",
            "check number",
            "check no",
            "cheque",
            "number of the cheque or transfer",
        ),
        *("numero", "numero de cheque", "no de cheque", "numero du cheque", "numero du cheque ou du virement", "transaction"),
    ),
    ImportField.FIRST_NAME: ("first name", "given name", "firstname", "first", "prenom"),
    ImportField.LAST_NAME: ("last name", "surname", "family name", "lastname", "last", "nom", "nom de famille"),
    ImportField.ORGANIZATION: ("organization", "organisation", "company", "business", "organisme", "entreprise", "societe", "compagnie"),
    ImportField.EMAIL: (
        "email",
        "e mail",
        "email address",
        "e mail address",
        "courriel",
        "adresse courriel",
        "adresse electronique",
        "mail",
    ),
    ImportField.ADDRESS_LINE1: (
        *("address", "street", "street address", "address 1", "address line 1", "mailing address", "adresse", "adresse 1", "rue"),
        *("adresse postale", "adresse ligne 1"),
    ),
    ImportField.ADDRESS_LINE2: (
        *("address 2", "address line 2", "apartment", "unit", "apt", "suite", "apartment unit po box", "adresse 2", "appartement", "app"),
        *("adresse ligne 2", "appartement bureau case postale"),
    ),
    ImportField.CITY: ("city", "town", "municipality", "ville", "municipalite", "localite"),
    ImportField.PROVINCE: ("province", "state", "province or territory", "prov", "province ou territoire"),
    ImportField.POSTAL_CODE: ("postal code", "zip", "zip code", "postcode", "code postal"),
    ImportField.COUNTRY: ("country", "pays"),
    ImportField.LANGUAGE: ("language", "language of the receipt", "lang", "langue", "langue du recu"),
}
_METHODS: Mapping[OfflineMethod, tuple[str, ...]] = {
    OfflineMethod.CHEQUE: ("cheque", "check", "chq", "cheques", "cheque bancaire", "money order", "mandat", "traite"),
    OfflineMethod.CASH: ("cash", "comptant", "argent comptant", "especes", "argent", "liquide"),
    OfflineMethod.ETRANSFER: (
        *("e transfer", "etransfer", "interac", "interac e transfer", "email transfer", "virement interac", "virement electronique"),
        *("virement par courriel",),
    ),
    OfflineMethod.BANK_TRANSFER: (
        *(
            "bank transfer",
            "wire",
            "wire transfer",
            "eft",
            "transfer",
            "direct deposit",
            "ach",
            "virement",
            "virement bancaire",
            "depot direct",
        ),
        *("tef", "bank_transfer"),
    ),
}
_LANGUAGES = {"en": ("en", "eng", "english", "anglais", "a", "e"), "fr": ("fr", "fre", "fra", "french", "francais", "f")}


def folded(text: str) -> str:
    """The text without accents, case and punctuation, to compare headings and words with."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() or c == "_" else " " for c in letters).split())


def recognized_columns(headings: Sequence[str]) -> dict[ImportField, int]:
    """Which column each field is, by its place from 0 on; fields that no heading names are missing. The first of several columns counts."""
    names = [folded(heading) for heading in headings]
    found: dict[ImportField, int] = {}
    for field, known in _HEADINGS.items():
        for place, name in enumerate(names):
            if name in known and place not in found.values():
                found[field] = place
                break
    return found


def method_of(text: str) -> OfflineMethod:
    """The method that the cell names. Raises ValueRefused."""
    name = folded(text)
    for method, known in _METHODS.items():
        if name == method.value or name in known:
            return method
    raise ValueRefused(ValueFlaw.METHOD)


def language_of(text: str) -> str:
    """The language that the cell names, `en` or `fr`. Raises ValueRefused."""
    name = folded(text)
    for language, known in _LANGUAGES.items():
        if name in known or name.startswith((f"{language} ", f"{language}_")):
            return language
    raise ValueRefused(ValueFlaw.LANGUAGE)
