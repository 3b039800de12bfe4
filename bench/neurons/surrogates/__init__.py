"""Surrogate derivatives, one class in one file; their contract is `bench.neurons.surrogate`."""
