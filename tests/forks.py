"""Processes in tests that need the service: each is forked from one that has imported it once, which takes some seconds."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["campaign.cli.main"])
