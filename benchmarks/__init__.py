"""How fast it is, each figure beside a floor measured in the same run. Nothing here is a test; `make bench` prints a table."""
