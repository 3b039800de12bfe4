"""Bytes that survive: written whole or not at all, locked, in one canonical form."""
