"""A sequence that is one frame repeated over time, as direct encoding makes it: what it costs once is paid once."""

from __future__ import annotations

from torch import Tensor

_FRAME = "_repeated_frame"


def repeat(frame: Tensor, timesteps: int) -> Tensor:
    """[N, ...] -> [T, N, ...], a view with stride 0 over T that remembers the frame it repeats.

    Layers of this package take the frame in its place, so that gradients reach the frame and not the view.
    """
    sequence = frame.unsqueeze(0).expand(timesteps, *frame.shape)
    setattr(sequence, _FRAME, frame)
    return sequence


def repeated_frame(x: Tensor) -> Tensor | None:
    """Return the frame [N, ...] that `repeat` made x [T, N, ...] of, T > 1; None for any other sequence.

    It is the tensor itself that was given, so that its gradient takes no way over T frames. Another view of the
    same memory is no repetition: somebody may want to know the gradient at each of its timesteps.
    """
    frame: Tensor | None = getattr(x, _FRAME, None)
    wants_its_own_gradient = x.requires_grad and x.is_leaf
    return None if x.shape[0] == 1 or wants_its_own_gradient else frame
