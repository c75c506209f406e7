"""The audit trail in plain words, in both languages: what each action is, and what its details are called. A test holds that none is missing."""

from collections.abc import Mapping
from typing import Any

from campaign.texts.catalogue import gettext_noop, translator

# By the action as it is recorded: what whoever is named beside it did.
ACTIONS = {
    "activated fund": gettext_noop("activated a matching fund"),
    "added a note": gettext_noop("added a note"),
    "added a passkey": gettext_noop("added a passkey"),
    "added staff": gettext_noop("added a member of staff"),
    "agreed to change a payment": gettext_noop("agreed to change a funder’s payment"),
    "agreed to raise a pledge": gettext_noop("agreed to raise a pledge"),
    "agreed to void a receipt": gettext_noop("agreed to void a receipt"),
    "alert closed: disputed_agreement": gettext_noop("closed a notice: a dispute ends a monthly gift"),
    "alert closed: failed_after_success": gettext_noop("closed a notice: a payment failed after its success"),
    "alert closed: loss_beyond_charge": gettext_noop("closed a notice: disputes took more than was paid"),
    "alert closed: not_taken": gettext_noop("closed a notice: an invoice is paid without money"),
    "alert closed: unknown_status": gettext_noop("closed a notice: Stripe reports an unknown state"),
    "answered questions about an import": gettext_noop("answered questions about an import of gifts"),
    "asked for a link to choose a password": gettext_noop("asked for a link to choose a password"),
    "asked to correct a payment": gettext_noop("asked to correct a funder’s payment"),
    "asked to raise a pledge": gettext_noop("asked to raise a pledge"),
    "asked to record that money went back": gettext_noop("asked to record that money went back to a funder"),
    "asked to reverse a payment": gettext_noop("asked to reverse a funder’s payment"),
    "asked to undo a return of money": gettext_noop("asked to undo a return of money to a funder"),
    "asked to void a receipt": gettext_noop("asked to void a receipt"),
    "began the guard against card testing": gettext_noop("began the guard against card testing"),
    "changed a campaign": gettext_noop("changed a campaign"),
    "changed a fund": gettext_noop("changed a matching fund"),
    "changed a funder's details": gettext_noop("changed a funder’s details"),
    "changed a note": gettext_noop("changed a note"),
    "changed a period of retention": gettext_noop("changed for how long data is stored"),
    "changed a role": gettext_noop("changed the role of a member"),
    "changed a view": gettext_noop("changed a saved view"),
    "changed the accounts of the journal": gettext_noop("changed the accounts of the journal"),
    "changed the charity's details": gettext_noop("changed the charity’s details"),
    "changed the name or address of later months": gettext_noop("changed the name or address of later months"),
    "checkout ended": gettext_noop("ended a checkout that held match"),
    "chose a password": gettext_noop("chose a password"),
    "chose receipts": gettext_noop("chose how to get receipts"),
    "closed a campaign": gettext_noop("closed a campaign to gifts"),
    "chose the columns of an import": gettext_noop("chose the columns of an import of gifts"),
    "chose receipts for a donor": gettext_noop("chose how a donor gets receipts"),
    "closed a deposit": gettext_noop("closed a deposit"),
    "closed a month": gettext_noop("closed a month"),
    "closed a privacy request": gettext_noop("closed a privacy request"),
    "closed an information return as not needed": gettext_noop("closed an information return as not needed"),
    "completed their address": gettext_noop("completed their address"),
    "confirmed an import of gifts": gettext_noop("confirmed an import of gifts"),
    "confirmed another e-mail address": gettext_noop("confirmed another email address"),
    "confirmed the charity's details": gettext_noop("confirmed the charity’s details"),
    "corrected a row of an import": gettext_noop("corrected a row of an import of gifts"),
    "corrected name or address": gettext_noop("corrected a name or address"),
    "corrected the e-mail address": gettext_noop("corrected an email address"),
    "created a campaign": gettext_noop("created a campaign"),
    "created a charity": gettext_noop("created a charity"),
    "created a fund": gettext_noop("created a matching fund"),
    "deactivated a member": gettext_noop("deactivated a member"),
    "declared whose money it is": gettext_noop("declared whose money it is"),
    "deleted a view": gettext_noop("deleted a saved view"),
    "discarded a file of gifts": gettext_noop("discarded a file of gifts"),
    "ended a monthly gift": gettext_noop("ended a monthly gift"),
    "ended a session": gettext_noop("ended a session of their own"),
    "ended all links by a key": gettext_noop("ended all links made with an old key"),
    "ended fund": gettext_noop("ended a matching fund"),
    "ended other sessions": gettext_noop("signed out everywhere else"),
    "ended sessions": gettext_noop("ended the sessions of a member"),
    "ended the guard against card testing": gettext_noop("ended the guard against card testing"),
    "erased a person": gettext_noop("erased a person"),
    "event handled again": gettext_noop("had an event of Stripe handled again"),
    "events handled again": gettext_noop("had events of Stripe handled again"),
    "exported all about a person": gettext_noop("downloaded all about a person"),
    "exported": gettext_noop("exported"),
    "failed to sign in": gettext_noop("failed to sign in"),
    "filed an information return": gettext_noop("filed an information return"),
    "found who made a privacy request": gettext_noop("found who made a privacy request"),
    "invited a member": gettext_noop("invited a member"),
    "left rows out of an import": gettext_noop("left rows out of an import of gifts"),
    "made a funder link": gettext_noop("made a link for a funder"),
    "made new recovery codes": gettext_noop("made new recovery codes"),
    "merged two donors": gettext_noop("merged two donors"),
    "opened a campaign": gettext_noop("opened a campaign to gifts"),
    "noted something about a privacy request": gettext_noop("noted something about a privacy request"),
    "paused fund": gettext_noop("paused a matching fund"),
    "pledged fund": gettext_noop("recorded a pledge"),
    "posted a letter about a receipt": gettext_noop("posted the letter about a cancelled receipt"),
    "posted a receipt": gettext_noop("posted a receipt"),
    "quarantine: accepted": gettext_noop("accepted a payment in quarantine"),
    "quarantine: dismissed": gettext_noop("dismissed a payment in quarantine"),
    "quarantine: refunded": gettext_noop("refunded a payment in quarantine"),
    "quarantine: the refund failed": gettext_noop("could not refund a payment in quarantine"),
    "reactivated a member": gettext_noop("reactivated a member"),
    "recorded a declaration": gettext_noop("recorded a donor’s declaration"),
    "recorded a privacy request": gettext_noop("recorded a privacy request"),
    "recorded a filed return": gettext_noop("recorded a return as filed"),
    "recorded an offline gift": gettext_noop("recorded an offline gift"),
    "recorded money from a funder": gettext_noop("recorded money from a funder"),
    "refused to change a payment": gettext_noop("refused to change a funder’s payment"),
    "refused to raise a pledge": gettext_noop("refused to raise a pledge"),
    "refused to void a receipt": gettext_noop("refused to void a receipt"),
    "removed a note": gettext_noop("removed a note"),
    "removed a passkey": gettext_noop("removed a passkey"),
    "renewed the links of a donor": gettext_noop("renewed the links of a donor"),
    "reopened a campaign": gettext_noop("opened a campaign to gifts again"),
    "reopened a month": gettext_noop("reopened a month"),
    "reopened a privacy request": gettext_noop("opened a privacy request again"),
    "reopened an information return": gettext_noop("reopened an information return"),
    "replaced a lost receipt": gettext_noop("replaced a lost receipt"),
    "reported a bounce": gettext_noop("recorded that an email came back"),
    "requested a refund": gettext_noop("asked for a refund"),
    "reset staff": gettext_noop("removed a member’s password and factors"),
    "resumed fund": gettext_noop("resumed a matching fund"),
    "retried an e-mail": gettext_noop("had an email sent again"),
    "reversed an offline gift": gettext_noop("reversed an offline gift"),
    "revoked funder links": gettext_noop("ended the links of a funder"),
    "rotated the key for receipts": gettext_noop("made a new key for receipts"),
    "saved a view": gettext_noop("saved a view"),
    "seeded a history": gettext_noop("loaded a history for trials"),
    "sent an export": gettext_noop("finished an export"),
    "sent the receipt again": gettext_noop("sent a receipt again"),
    "separated two donors": gettext_noop("separated two donors"),
    "set up an authenticator app": gettext_noop("set up an authenticator app"),
    "set up the first campaign": gettext_noop("set up the first campaign"),
    "signed in": gettext_noop("signed in"),
    "took back a campaign": gettext_noop("made a campaign a draft again"),
    "took back that a letter about a receipt was posted": gettext_noop("took back that the letter about a cancelled receipt was posted"),
    "took back that a receipt was posted": gettext_noop("took back that a receipt was posted"),
    "took rows into an import": gettext_noop("took rows into an import of gifts again"),
    "undid an import of gifts": gettext_noop("undid an import of gifts"),
    "undid an offline gift": gettext_noop("undid an offline gift"),
    "uploaded a file of gifts": gettext_noop("uploaded a file of gifts"),
    "used a mailed link": gettext_noop("used a link from an email"),
    "used a recovery code": gettext_noop("used a recovery code"),
    "verified who made a privacy request": gettext_noop("verified who made a privacy request"),
    "withdrew a request to void a receipt": gettext_noop("withdrew a request to void a receipt"),
    "withdrew consent to news": gettext_noop("withdrew consent to news"),
}
# Who acts that is no member.
ACTORS = {
    "command line": gettext_noop("an operator, at the command line"),
    "the donor": gettext_noop("the donor"),
    "the service": gettext_noop("the service itself"),
}
# The details that are the reason.
REASONS = ("reason", "note")
# Digests, numbers of rows, and codes of Stripe and of programs, which say nothing to a reader.
HIDDEN = frozenset({*REASONS, "before", "after", "figures", "seed", "sha256", "fingerprint", "session", "type", "error", "of_charity"})
DETAILS = {
    "cents": gettext_noop("Amount"),
    "change": gettext_noop("Change asked for"),
    "charity": gettext_noop("Charity"),
    "choice": gettext_noop("Choice"),
    "closed_by": gettext_noop("Closed by"),
    "declines": gettext_noop("Declined cards"),
    "document": gettext_noop("Document"),
    "donations": gettext_noop("Donations"),
    "donor": gettext_noop("Donor"),
    "factor": gettext_noop("Factor"),
    "fields": gettext_noop("Fields"),
    "filed_as": gettext_noop("Filed"),
    "filed_on": gettext_noop("Filed on"),
    "filters": gettext_noop("Filtered by"),
    "gifts": gettext_noop("Gifts"),
    "goal_cents": gettext_noop("Goal"),
    "has_document": gettext_noop("With a document"),
    "how": gettext_noop("How"),
    "is_complete": gettext_noop("Complete"),
    "is_matchable": gettext_noop("Matched"),
    "is_registered_charity": gettext_noop("Registered charity"),
    "is_shared": gettext_noop("For all members"),
    "kind": gettext_noop("Kind"),
    "links": gettext_noop("Links"),
    "merged": gettext_noop("Merged donor"),
    "method": gettext_noop("Paid by"),
    "name": gettext_noop("Name"),
    "on": gettext_noop("Day"),
    "open": gettext_noop("Checks not done"),
    "payment": gettext_noop("Payment"),
    "payments": gettext_noop("Payments"),
    "pledge_cents": gettext_noop("Pledge"),
    "questions": gettext_noop("Questions answered"),
    "received_on": gettext_noop("Received on"),
    "reference": gettext_noop("Reference"),
    "registration_number": gettext_noop("Registration number"),
    "receipts": gettext_noop("Receipts"),
    "request_kind": gettext_noop("What is asked for"),
    "requested_by": gettext_noop("Requested by"),
    "role": gettext_noop("Role"),
    "row": gettext_noop("Row"),
    "rows": gettext_noop("Rows"),
    "scope": gettext_noop("For"),
    "serial": gettext_noop("Receipt"),
    "sessions": gettext_noop("Sessions"),
}
# What was exported, by the name under which it is recorded, without its format.
DOCUMENTS = {
    "audit trail": gettext_noop("Audit trail"),
    "consents": gettext_noop("Consents to news"),
    "deposit slip": gettext_noop("Deposit slip"),
    "document of a declaration": gettext_noop("Document of a declaration"),
    "donations": gettext_noop("Donations"),
    "donors": gettext_noop("Donors"),
    "draft of an information return": gettext_noop("Draft of an information return"),
    "gifts by line": gettext_noop("Gifts by line of the returns"),
    "journal by day": gettext_noop("Journal by day"),
    "journal by entry": gettext_noop("Journal by gift, fee and refund"),
    "journal for QuickBooks Online": gettext_noop("Journal for QuickBooks Online"),
    "journal for Xero": gettext_noop("Journal for Xero"),
    "ledger": gettext_noop("Ledger"),
    "list of donors": gettext_noop("List of donors"),
    "list of gifts": gettext_noop("List of donations"),
    "list of offline gifts": gettext_noop("List of offline gifts"),
    "payouts": gettext_noop("Payouts"),
    "preview of a receipt": gettext_noop("Preview of a receipt"),
    "receipt": gettext_noop("Receipt"),
    "receipts": gettext_noop("Receipts"),
    "register as filed": gettext_noop("Register as filed"),
    "register of receipts": gettext_noop("Register of receipts"),
    "returns": gettext_noop("Returns"),
}
# What concerns the ways in and the rights of members: for administrators, and for members about themselves.
ABOUT_MEMBERS = frozenset(
    {
        "added a passkey",
        "added staff",
        "asked for a link to choose a password",
        "changed a role",
        "chose a password",
        "deactivated a member",
        "ended a session",
        "ended other sessions",
        "ended sessions",
        "failed to sign in",
        "invited a member",
        "made new recovery codes",
        "reactivated a member",
        "removed a passkey",
        "reset staff",
        "set up an authenticator app",
        "signed in",
        "used a recovery code",
    }
)


def describe_action(action: str, language: str) -> str:
    """The action in words; as it is recorded if it has none."""
    return translator(language).gettext(ACTIONS[action]) if action in ACTIONS else action


def describe_actor(actor: str, language: str) -> str:
    """Who acted: the address of a member, or words for what is no member."""
    return translator(language).gettext(ACTORS[actor]) if actor in ACTORS else actor


def reason_of(detail: Mapping[str, Any]) -> str:
    """Why, as the member wrote it; empty when nobody asked."""
    return next((str(detail[name]) for name in REASONS if detail.get(name)), "")


def describe_detail(name: str, language: str) -> str:
    """What the detail with this name is."""
    return translator(language).gettext(DETAILS[name]) if name in DETAILS else name.replace("_", " ")


def describe_document(document: str, language: str) -> str:
    """What was exported, with its format."""
    name, _, rest = document.partition(" (")
    words = translator(language).gettext(DOCUMENTS[name]) if name in DOCUMENTS else name
    return f"{words} ({rest.rstrip(')').partition(',')[0]})" if rest else words
