"""How long the random tests run: `SCALE` times as many examples as in the suite (`make long`)."""

import os

SCALE = int(os.environ.get("SCALE", "1"))


def examples(in_suite: int) -> int:
    """The number of examples of a random test that runs so many in the suite."""
    return in_suite * SCALE
