"""Losses, one class a file, found by name; `base` is the contract."""
