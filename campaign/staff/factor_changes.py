"""What a member is notified of when it changes how they sign in. Whoever did not do it themselves has to act."""

from enum import StrEnum


class FactorChange(StrEnum):
    """A change of a password or factor, or the use of one that is meant for emergencies."""

    PASSWORD = "password"  # noqa: S105  # the name of what changed
    ONE_TIME_CODES = "one_time_codes"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    RECOVERY_CODES = "recovery_codes"
    RECOVERY_CODE_USED = "recovery_code_used"
    RESET = "reset"
