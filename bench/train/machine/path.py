"""The paths that training steps can take: where a run works, never what it computes beyond float rounding."""

from typing import Literal

# Neurons as a plain loop over time, or each layer's loop fused; "graphed" is fused, and the whole step replayed as a
# CUDA graph.
ExecutionPath = Literal["auto", "plain", "fused", "graphed"]
