"""Engines: where jobs are executed, one file each and found by name; `bench.execute.executor` is their contract."""
