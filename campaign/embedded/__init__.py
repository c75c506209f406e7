"""The whole service on one bare machine: real PostgreSQL and Valkey from their wheels, and all processes, for `make run` and the tests."""
