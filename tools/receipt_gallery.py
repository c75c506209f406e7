"""Renders receipts of every script, length and kind, archived and signed, and has readers of PDF read them: `make readers`.

Without a database. Writes to build/gallery: each document, its pages in grey as sheets to look at, and what each reader found.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import cycle
from pathlib import Path

from PIL import Image, ImageDraw

from campaign.edges.pdf_signing import KeyFile
from campaign.receipts.receipts import Status
from campaign.receipts.render_jobs import SAMPLE_MARK, TEST_MARK, Pictures, render_page
from campaign.rules.money import format_money
from campaign.rules.receipt_requirements import GiftLine, ReceiptContent
from campaign.texts.document_labels import receipt_labels, signature_name
from tools import receipt_readers
from tools.sample_receipt import CONTENT

FOLDER = Path(__file__).resolve().parent.parent / "build" / "gallery"
AT = datetime(2027, 1, 9, 15, tzinfo=UTC)
SERIAL = "2026-000042"
LANGUAGES = (("en", False), ("fr", False), ("en", True), ("fr", True))
NAMES = """
Sanâa Œuvré D’Arcy-Lévesque|Þórður Ægisson Šťastný Łukaszewicz|Νίκος Παπαδόπουλος|Олександра Шевченко|Արամ Խաչատրյան|გიორგი მაისურაძე|李小龍|王芳 (Fang Wang)|
さくら 山田|김민준|محمد بن عبد الله|יעל כהן|अर्जुन शर्मा|রবীন্দ্রনাথ ঠাকুর|ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ|નરેન્દ્ર પટેલ|தமிழ் செல்வி|తెలుగు రాజు|ಕನ್ನಡ ಗೌಡ|മലയാളം നായർ|
සිංහල පෙරේරා|สมชาย ใจดี|ລາວ ສົມບັດ|ខ្មែរ សុខ|မြန်မာ အောင်|ኃይለ ገብረ|ᐃᓄᒃᑎᑐᑦ ᓄᓇᕗᑦ
"""
LONG_NAME = "Wolfeschlegelsteinhausenbergerdorff-Saint-Jean-Baptiste de la Très-Longue-Rivière"
LONG_ADDRESS = (
    "a/s Mme Œnone D’Arcy-Lévesque, 12345, chemin de la Très-Longue-Montée-de-la-Rivière-Rouge",
    *("bureau 1200, case postale 98765", "Saint-Louis-du-Ha! Ha! QC  G0L 3S0", "Canada"),
)
LONG_CHARITY = "Fondation canadienne de recherche sur le syndrome de Guillain-Barré et les neuropathies inflammatoires apparentées"
GIFTS_OF_A_YEAR = (1, 2, 5, 12, 13, 18, 19, 36, 60, 68, 69, 200)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One receipt of the gallery."""

    name: str
    content: ReceiptContent
    mark: str = ""
    pictures: Pictures = field(default_factory=Pictures)

    def expected(self) -> list[str]:
        """The words that each reader must find, in each language of the receipt."""
        each = {language: receipt_labels(language) for language in self.content.languages}
        keys = [
            "title",
            "registration_number",
            "serial",
            "place_of_issue",
            "issued_on",
            "donor_name",
            "donor_address",
            "amount",
            "advantage",
        ]
        keys += ["none", "eligible", "signature", "agency", "received_in" if self.content.gifts else "received_on"]
        keys += [f"{self.mark}_banner"] if self.mark else []
        keys += ["check"] if self.content.check_url else []
        words = [labels[key] for labels in each.values() for key in keys]
        sums = [format_money(self.content.amount_cents, language) for language in each]
        return [*words, *sums, SERIAL, self.content.registration_number, self.content.check_url]


def documents() -> Iterator[Document]:
    """The receipts of the gallery."""
    languages = cycle(LANGUAGES)
    for number, name in enumerate("".join(NAMES.split("\n")).split("|"), 1):
        yield Document(name=f"script-{number:02d}", content=replace(in_languages(CONTENT, next(languages)), donor_name=name))
    for language in LANGUAGES:
        tag, content = name_of(language), in_languages(CONTENT, language)
        for mark in ("", TEST_MARK, SAMPLE_MARK, Status.CANCELLED.value, Status.REPLACED.value):
            url = "" if mark == SAMPLE_MARK else content.check_url
            yield Document(name=f"kind-{tag}-{mark or 'valid'}", content=replace(content, is_test=mark != "", check_url=url), mark=mark)
        long = replace(content, donor_name=LONG_NAME, donor_address=LONG_ADDRESS, replaces="2026-000041")
        yield Document(name=f"long-{tag}", content=with_amount(long, 25_000_00))
        yield Document(name=f"long-{tag}-pictures", content=with_amount(long, 25_000_00), pictures=PICTURES)
        yield Document(name=f"long-{tag}-year", content=of_a_year(replace(long, charity_name=LONG_CHARITY), 12), pictures=PICTURES)
        yield Document(name=f"long-{tag}-charity", content=replace(long, charity_name=LONG_CHARITY), pictures=Pictures(logo=LOGO))
    for index, count in enumerate(GIFTS_OF_A_YEAR):
        for language in (LANGUAGES[index % 2], LANGUAGES[2 + index % 2]):
            yield Document(name=f"year-{count:03d}-{name_of(language)}", content=of_a_year(in_languages(CONTENT, language), count))


def in_languages(content: ReceiptContent, language: tuple[str, bool]) -> ReceiptContent:
    first, is_bilingual = language
    titles = ("Treasurer", "Trésorière") if first == "en" else ("Trésorière", "Treasurer")
    return replace(content, language=first, is_bilingual=is_bilingual, signatory_title=" / ".join(titles) if is_bilingual else titles[0])


def name_of(language: tuple[str, bool]) -> str:
    return language[0] + ("-both" if language[1] else "")


def with_amount(content: ReceiptContent, cents: int) -> ReceiptContent:
    return replace(content, amount_cents=cents, eligible_cents=cents)


def of_a_year(content: ReceiptContent, count: int) -> ReceiptContent:
    """A receipt for this many gifts, over the whole year."""
    gifts = tuple(GiftLine(received_on=date(2026, 1, 3) + timedelta(days=n * 360 // count), cents=25_00 + n) for n in range(count))
    content = replace(content, received_on=None, received_in=2026, gifts=gifts)
    return with_amount(content, sum(gift.cents for gift in gifts))


def draw_png(width: int, height: int, *, is_logo: bool) -> bytes:
    """A picture with a transparent background: a sign beside two bars, or a stroke."""
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    if is_logo:
        draw.ellipse((0, 0, height, height), fill="#16607a")
        draw.rectangle((height * 1.15, height * 0.25, width, height * 0.45), fill="#16607a")
        draw.rectangle((height * 1.15, height * 0.55, width * 0.8, height * 0.7), fill="#b4462d")
    else:
        draw.line([(x, height / 2 + (x * 37 % height - height / 2) * 0.7) for x in range(0, width, 23)], fill="#1a1a5e", width=4)
    written = BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


LOGO = draw_png(900, 300, is_logo=True)
PICTURES = Pictures(signature=draw_png(600, 160, is_logo=False), logo=LOGO)


def write(folder: Path) -> list[receipt_readers.Reading]:
    """Write each document archived and signed. Returns what is to be read, with the words to find."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    key, readings = KeyFile(path=folder / "key.pem"), []
    key.make(name=CONTENT.charity_name, now=AT)
    for document in documents():
        archived, signed = folder / f"{document.name}.pdf", folder / f"{document.name}.signed.pdf"
        archived.write_bytes(render_page(document.content, document.pictures, serial=SERIAL, mark=document.mark, at=AT))
        name = signature_name(document.content.languages, document.content.charity_name)
        signed.write_bytes(key.sign(archived.read_bytes(), name=name))
        words, url = document.expected(), document.content.check_url
        readings += [receipt_readers.Reading(path=path, words=words, url=url) for path in (archived, signed)]
    return readings


if __name__ == "__main__":
    sys.exit(receipt_readers.report(write(FOLDER), FOLDER))
