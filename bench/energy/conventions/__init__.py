"""Conventions: how papers and tools of others turn activity into energy; one file each."""
