"""Where staff may send a document, and how large a form with one may be."""

import re

# The largest document and the rest of its form. A document that is somewhat too large still gets an answer beside its field.
LARGEST_UPLOAD = 8 * 1024 * 1024
_PATH = re.compile(
    r"/staff/(?:donations/d_[0-9a-f]{20}/person|charity/(?:page-)?logo|campaigns/[a-z0-9-]+/picture|funds/[a-z0-9-]+/introduction|imports)"
)


def takes_upload(path: str) -> bool:
    """Whether the form at this path may come with a document."""
    return _PATH.fullmatch(path) is not None
