"""Rows 6 and 7: receipts rendered, and rendered, encrypted and signed, a core; beside a page with one word by the same renderer."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.place import Place
from benchmarks.row import Row
from campaign.edges import pdf
from campaign.edges.sealing import KeyFile
from campaign.giving.receipt_documents import printed
from campaign.rules.receipt_rules import ReceiptContent
from campaign.work.documents import RECEIPT_TEMPLATE

AIM_RENDERED, AIM_SEALED = 100, 12
TURNS = 3
AT = datetime(2026, 11, 26, tzinfo=UTC)
CONTENT = ReceiptContent(
    language="fr",
    charity_name="GBS/CIDP Foundation of Canada",
    charity_address=("100 Example Street, Suite 200", "Ottawa ON  K1A 0B1"),
    registration_number="000000000RR0001",
    place_of_issue="Ottawa, Ontario",
    received_on=date(2026, 11, 25),
    issued_on=date(2026, 11, 26),
    donor_name="Sanâa Œuvré D'Arcy-Lévesque",
    donor_address=("123, rue de l’Église", "Montréal QC  H2X 1Y4"),
    amount_cents=103_30,
    advantage_cents=0,
    eligible_cents=103_30,
    signatory_name="A. Example",
    signatory_title="Trésorière",
    currency="CAD",
    check_url="https://give.example.org/fr/receipts/check/q8Zk2Vv0xT5mB7nL3cRd",
)


def measure(place: Place, count: int) -> list[Row]:
    """In turns with the floor, by this process's own seconds of CPU."""
    del place
    rendered, sealed, floors = [], [], []
    with TemporaryDirectory() as folder:
        one_word = Path(folder) / "word.typ"
        one_word.write_text('#set document(title: "Word")\n#let d = json(bytes(sys.inputs.data))\n#d.word')
        key = KeyFile(path=Path(folder) / "key.pem")
        key.make(name="Benchmark", now=AT)
        plain = one()
        for _ in range(TURNS):
            floors.append(rate(lambda: pdf.render(one_word, {"word": "word"}, at=AT), count // 20))
            rendered.append(rate(one, count // 20))
            sealed.append(rate(lambda: key.seal(plain), count // 60))
    floor, ours = sum(floors) / TURNS, sum(rendered) / TURNS
    both = 1 / (1 / ours + TURNS / sum(sealed))
    return [
        Row(
            name="receipts rendered",
            aim=f">= {AIM_RENDERED}/s a core",
            figure=f"{ours:.0f}/s of CPU, {len(plain) / 1024:.0f} KiB each",
            floor=f"{floor:.0f}/s",
            ratio=ours / floor,
            reached=ours >= AIM_RENDERED,
        ),
        Row(
            name="and sealed",
            aim=f">= {AIM_SEALED}/s a core",
            figure=f"{both:.1f}/s of CPU",
            floor=f"{floor:.0f}/s",
            ratio=both / floor,
            reached=both >= AIM_SEALED,
        ),
    ]


def one() -> bytes:
    """A receipt from its frozen content."""
    data = printed(CONTENT, serial="2026-000042", mark="")
    return pdf.render(RECEIPT_TEMPLATE, {**data, "qr": pdf.qr_code(CONTENT.check_url), "signature": []}, at=AT)


def rate(act: Callable[[], bytes], count: int) -> float:
    """How often a second of one core's time does it."""
    act()
    started = time.process_time()
    for _ in range(count):
        act()
    return count / (time.process_time() - started)
