"""One run from spec to record; knows no disk."""
