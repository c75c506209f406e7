"""The stand-in's pages: the hosted checkout where a tester pays, is declined or walks away, and a page that shows what went on."""

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response

from campaign.sandbox import debits, faults, payouts, subscriptions
from campaign.sandbox.answers import account
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Refused

bp = Blueprint("pages", __name__)

WORDS = {
    "en": {
        "test": "TEST – no real money moves",
        "pay_to": "Paying a gift",
        "card": "Card number",
        "expiry": "Expiry (MM / YY)",
        "cvc": "Security code",
        "name": "Name on card",
        "email": "E-mail",
        "or_debit": "Pay by bank debit instead",
        "pay": "Donate",
        "back": "Back without paying",
        "closed": "This checkout is over.",
        "return": "Return to the campaign",
        "hint": "4242 4242 4242 4242 is paid; 4000 0000 0000 0002 is declined; 4000 0000 0000 9995 lacks funds; 4000 0000 0000 0259 is disputed; 4000 0000 0000 5126 fails to be refunded. Any future date, any code.",
    },
    "fr": {
        "test": "ESSAI – aucun argent réel",
        "pay_to": "Paiement d’un don",
        "card": "Numéro de carte",
        "expiry": "Expiration (MM / AA)",
        "cvc": "Code de sécurité",
        "name": "Nom sur la carte",
        "email": "Courriel",
        "or_debit": "Payer plutôt par débit bancaire",
        "pay": "Donner",
        "back": "Revenir sans payer",
        "closed": "Ce paiement est terminé.",
        "return": "Revenir à la campagne",
        "hint": "4242 4242 4242 4242 est payée ; 4000 0000 0000 0002 est refusée ; 4000 0000 0000 9995 manque de fonds ; 4000 0000 0000 0259 est contestée ; 4000 0000 0000 5126 ne peut être remboursée. Toute date future, tout code.",
    },
}


def _sum(cents: int, currency: str, language: str) -> str:
    if cents < 0:
        return "−" + _sum(-cents, currency, language)
    dollars, rest = divmod(cents, 100)
    if language == "fr":
        return f"{dollars:,}".replace(",", "\u00a0") + f",{rest:02d}\u00a0$ {currency.upper()}"
    return f"${dollars:,}.{rest:02d} {currency.upper()}"


def _session(session_id: str) -> Doc:
    found = account().store.get(session_id, "checkout.session")
    if found is None:
        abort(404)
    return found


def _page(session: Doc, error: str = "", status: int = 200) -> tuple[str, int]:
    language = "fr" if str(session["locale"] or "").startswith("fr") else "en"
    lines = [(line["description"], _sum(line["amount_total"], line["currency"], language)) for line in session["sandbox_lines"]]
    total = _sum(session["amount_total"], session["currency"], language)
    return render_template(
        "checkout.html", w=WORDS[language], language=language, session=session, lines=lines, total=total, error=error, form=request.form
    ), status


@bp.get("/c/pay/<session_id>")
def checkout(session_id: str) -> tuple[str, int]:
    return _page(_session(session_id))


@bp.post("/c/pay/<session_id>")
def pay(session_id: str) -> tuple[str, int] | Response:
    here = account()
    number = "".join(c for c in request.form.get("card", "") if c.isdigit())
    declined = ""
    with here.store.transaction():
        here.key = None
        session = _session(session_id)  # Read inside, so that a double click pays once.
        name, email = request.form.get("name", "")[:100], request.form.get("email") or None
        try:
            if request.form.get("method") == "debit":
                debits.begin_debit(here, session, name=name, email=email)
            else:
                subscriptions.pay(here, session, number, name=name, email=email)
        except Refused as error:
            declined = str(error)  # The decline itself is a fact and stays.
    if declined:
        return _page(_session(session_id), declined, 402)
    return redirect(str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session_id), 303)


@bp.get("/p/session/<session_id>")
def portal(session_id: str) -> str:
    """The billing portal: the donor's card, and the end of giving."""
    visit, made = _visit(session_id)
    total = sum(one["price"]["unit_amount"] * one["quantity"] for one in made["items"]["data"])
    return render_template("portal.html", visit=visit, subscription=made, total=_sum(total, made["currency"], "en"))


@bp.post("/p/session/<session_id>")
def change_in_portal(session_id: str) -> Response:
    here = account()
    with here.store.transaction():
        here.key = None
        visit, made = _visit(session_id)
        if request.form.get("end"):
            subscriptions.cancel(here, made)
        else:
            number = "".join(c for c in request.form.get("card", "") if c.isdigit())
            subscriptions.change(here, made, sandbox_card=number)
    return redirect(visit["return_url"] or "/", 303)


def _visit(session_id: str) -> tuple[Doc, Doc]:
    visit = account().store.get(session_id, "billing_portal.session")
    of_customer = [s for s in account().store.newest("subscription", limit=1000) if visit and s["customer"] == visit["customer"]]
    if visit is None or not of_customer:
        abort(404)
    return visit, of_customer[0]


@bp.get("/")
def home() -> str:
    """What went on, and the controls: how events are sent, what goes wrong, what banks and donors do."""
    store = account().store
    sent = [(store.get(event_id, "event") or {}, attempts, done, last) for event_id, attempts, done, last in store.deliveries(40)]
    balance = payouts.balance(account())
    return render_template(
        "home.html",
        sessions=_shown("checkout.session", "amount_total"),
        charges=[(c, cents) for c, cents in _shown("charge", "amount") if c["status"] == "succeeded"],
        refunds=_shown("refund", "amount"),
        subscriptions=store.newest("subscription", limit=12),
        disputes=_shown("dispute", "amount"),
        payouts=_shown("payout", "amount"),
        available=_sum(balance["available"][0]["amount"], "cad", "en"),
        pending=_sum(balance["pending"][0]["amount"], "cad", "en"),
        sent=sent,
        delivery=store.switch("delivery", "on"),
        order=store.switch("delivery_order", "oldest"),
        copies=store.switch("delivery_copies", "1"),
        late=store.switch("delivery_late", "0"),
        ahead=int(store.switch("ahead", "0")) // 3600,
        faults=faults.waiting(store),
        fault_kinds=faults.KINDS,
    )


def _shown(kind: str, field: str) -> list[tuple[Doc, str]]:
    return [(doc, _sum(doc[field], doc["currency"], "en")) for doc in account().store.newest(kind, limit=12)]
