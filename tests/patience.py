"""How long the tests wait for what must happen: so long that a machine busy with other tests does not fail them, and what hangs still ends."""

PATIENCE_SECONDS = 300
