"""Postal codes of Canada."""

import re

# Canada Post uses neither D, F, I, O, Q and U nor, as the first letter, W and Z.
CANADIAN_POSTAL_CODE = re.compile(r"[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] ?[0-9][ABCEGHJ-NPRSTV-Z][0-9]")
