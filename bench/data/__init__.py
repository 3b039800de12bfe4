"""Data sets, found by name: `bench.data.base` is the contract, `bench.data.feed.loader` feeds batches.

Nothing is imported from the data set files here: the digest of the code that made a record follows imports, and a
change to one data set must not make the records of the others stale.
"""
