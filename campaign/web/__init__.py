"""Doors: each turns a request into a verb's plain values, commits, wakes, and shows what came of it."""
