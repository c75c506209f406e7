"""Rows 6 and 7: receipts rendered, and rendered, encrypted and signed, per core; compared with a page of one word by the same renderer."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.place import Servers
from benchmarks.row import Row
from campaign.edges import pdf
from campaign.edges.pdf_signing import KeyFile
from campaign.receipts.render_jobs import Pictures, render_page
from campaign.rules.receipt_requirements import ReceiptContent

TARGET_RENDERED, TARGET_SIGNED = 100, 12
ROUNDS = 3
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


def measure(servers: Servers, count: int) -> list[Row]:
    """Alternate with the baseline, by the CPU seconds of this process."""
    del servers
    rendered, signed, floors = [], [], []
    with TemporaryDirectory() as folder:
        one_word = Path(folder) / "word.typ"
        one_word.write_text('#set document(title: "Word")\n#let d = json(bytes(sys.inputs.data))\n#d.word')
        key = KeyFile(path=Path(folder) / "key.pem")
        key.make(name="Benchmark", now=AT)
        plain = render_receipt()
        for _ in range(ROUNDS):
            floors.append(rate(lambda: pdf.render(one_word, {"word": "word"}, at=AT), count // 20))
            rendered.append(rate(render_receipt, count // 20))
            signed.append(rate(lambda: key.sign(plain, name="Signature"), count // 60))
    floor, ours = sum(floors) / ROUNDS, sum(rendered) / ROUNDS
    both = 1 / (1 / ours + ROUNDS / sum(signed))
    return [
        Row(
            name="receipts rendered",
            target=f">= {TARGET_RENDERED}/s per core",
            figure=f"{ours:.0f}/s of CPU, {len(plain) / 1024:.0f} KiB each",
            floor=f"{floor:.0f}/s",
            ratio=ours / floor,
            reached=ours >= TARGET_RENDERED,
        ),
        Row(
            name="and signed",
            target=f">= {TARGET_SIGNED}/s per core",
            figure=f"{both:.1f}/s of CPU",
            floor=f"{floor:.0f}/s",
            ratio=both / floor,
            reached=both >= TARGET_SIGNED,
        ),
    ]


def render_receipt() -> bytes:
    """Render a receipt from its frozen content."""
    return render_page(CONTENT, Pictures(), serial="2026-000042", mark="", at=AT)


def rate(act: Callable[[], bytes], count: int) -> float:
    """Calls of `act` per CPU second."""
    act()
    started = time.process_time()
    for _ in range(count):
        act()
    return count / (time.process_time() - started)
