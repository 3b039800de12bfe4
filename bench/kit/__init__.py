"""The conformance kit: does a neuron keep the contract, and if not, which line of it and on what input."""

from bench.kit.report import Finding, check_neuron
from bench.kit.subject import subject_of

__all__ = ["Finding", "check_neuron", "subject_of"]
