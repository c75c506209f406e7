"""The donors of a seeded history: one name, address and language each, as receipts for several donations of theirs need."""

import random
from dataclasses import dataclass

from campaign.cli.seeds import FIRST_NAMES, LAST_NAMES, PLACES

PLACES_ABROAD = [("Burlington", "VT", "05401", "US"), ("Paris", "", "75004", "FR"), ("Genève", "", "1204", "CH")]
STREETS = ["rue Principale", "King Street", "chemin du Lac", "Main Street", "avenue de l’Église", "boul. Saint-Laurent"]
ORGANIZATIONS = [
    "Fondation Côté-Nguyễn",
    "Les Entreprises Gagnon & Fils inc.",
    "O’Brien Family Fund",
    "Coopérative Œuvré",
    "Chen Holdings Ltd.",
    "Club de marche de Saint-Jérôme",
]
# One receipt a year is wanted by this part of donors; what follows is of one of so many.
ANNUAL = 0.05
ORGANIZATION_EACH, ABROAD_EACH, WITHOUT_ADDRESS_EACH, UNDECLARED_EACH = 25, 60, 2500, 3000


@dataclass(slots=True, kw_only=True)
class Person:
    """A donor. `is_declared` says that the organization's gifts are declared to be its own; `is_annual` that one receipt a year is wanted."""

    id: int
    email: str
    language: str
    first_name: str
    last_name: str
    organization: str
    in_own_name: bool
    is_declared: bool
    address_line1: str
    city: str
    province: str
    postal_code: str
    country: str
    is_anonymous: bool
    is_annual: bool
    has_consented: bool
    has_donated: bool = False

    @property
    def name(self) -> str:
        """The name on receipts."""
        person = f"{self.first_name} {self.last_name}"
        return self.organization if self.organization and not self.in_own_name else person

    @property
    def public_name(self) -> str:
        """The name that others may see."""
        return "" if self.is_anonymous else f"{self.first_name} {self.last_name[0]}."

    @property
    def address_lines(self) -> list[str]:
        """The address as receipts print it."""
        place = f"{self.city} {self.province}  {self.postal_code}".strip()
        return [line for line in (self.address_line1, place) if line] + ([self.country] if self.country != "CA" else [])

    @property
    def missing_elements(self) -> list[str]:
        """What a receipt lacks; empty for nearly all."""
        if not self.address_line1:
            return ["donor_address"]
        return ["declaration"] if self.organization and not self.in_own_name and not self.is_declared else []


class People:
    """Creates donors, and finds earlier ones who donate again."""

    def __init__(self, rng: random.Random, *, seed: int, first_id: int) -> None:
        self._rng = rng
        self._seed = seed
        self._next_id = first_id
        self._known: list[Person] = []

    def choose(self) -> tuple[Person, bool]:
        """The donor of the next donation, and whether they are new. The earliest donors donate most often."""
        rng = self._rng
        if self._known and rng.random() > 0.45:
            return self._known[int(len(self._known) * rng.random() ** 1.5)], False
        person = self._create()
        self._known.append(person)
        return person, True

    def _create(self) -> Person:
        rng = self._rng
        number, self._next_id = self._next_id, self._next_id + 1
        city, province, postal_code, country = (*rng.choice(PLACES), "CA")
        if rng.randrange(ABROAD_EACH) == 0:
            city, province, postal_code, country = rng.choice(PLACES_ABROAD)
        has_organization = rng.randrange(ORGANIZATION_EACH) == 0
        has_address = rng.randrange(WITHOUT_ADDRESS_EACH) > 0
        is_declared = rng.randrange(UNDECLARED_EACH // ORGANIZATION_EACH) > 0
        return Person(
            id=number,
            email=f"donor{number}.{self._seed}@example.org",
            language="fr" if rng.random() < (0.8 if province == "QC" else 0.05) else "en",
            first_name=rng.choice(FIRST_NAMES),
            last_name=rng.choice(LAST_NAMES),
            organization=rng.choice(ORGANIZATIONS) if has_organization else "",
            in_own_name=has_organization and rng.random() < 0.2,
            is_declared=is_declared,
            address_line1=f"{rng.randrange(1, 9999)}, {rng.choice(STREETS)}" if has_address else "",
            city=city if has_address else "",
            province=province if has_address else "",
            postal_code=postal_code if has_address else "",
            country=country,
            is_anonymous=rng.random() < 0.2,
            is_annual=rng.random() < ANNUAL and has_address and is_declared,
            has_consented=rng.random() < 0.3,
        )
