"""A receipt with all that it must contain, for tests, benchmarks and the gallery."""

from datetime import date

from campaign.rules.receipt_requirements import ReceiptContent

CONTENT = ReceiptContent(
    language="en",
    charity_name="GBS/CIDP Foundation of Canada",
    charity_address=("100 Example Street", "Suite 200", "Ottawa ON  K1A 0B1"),
    registration_number="123456789RR0001",
    place_of_issue="Ottawa, Ontario",
    received_on=date(2026, 11, 20),
    issued_on=date(2027, 1, 9),
    donor_name="Sanâa Œuvré D’Arcy-Lévesque",
    donor_address=("123, rue de l’Église", "Montréal QC  H2X 1Y4"),
    amount_cents=103_30,
    advantage_cents=0,
    eligible_cents=103_30,
    signatory_name="A. Example",
    signatory_title="Treasurer",
    currency="CAD",
    check_url="https://give.example.org/en/receipts/check/q8Zk2Vv0xT5mB7nL3cRd",
)
