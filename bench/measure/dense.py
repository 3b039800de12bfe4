"""Dense MACs per layer by fvcore, the field's own counter; the only place that knows fvcore."""

from __future__ import annotations

import copy
import logging
import warnings

from torch import Tensor, nn

from bench.errors import in_one_line
from bench.measure.counting.geometry import SYNAPTIC
from bench.measure.mode import measuring

_log = logging.getLogger(__name__)


def fvcore_says(model: nn.Module, example: Tensor) -> dict[str, int] | None:
    """Return what `fvcore_macs` does, None, with a word in the log, for a network that torch.jit.trace cannot run."""
    try:
        model = copy.deepcopy(model).cpu()  # what is traced does not depend on the device
        with measuring(model):
            return fvcore_macs(model, example.cpu())
    except (RuntimeError, ValueError, TypeError, LookupError, AssertionError) as error:
        _log.warning("fvcore cannot count this network: %s", in_one_line(error))
        return None


def fvcore_macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Return MACs of every synaptic layer for one forward pass of `example`, summed over its samples and timesteps.

    fvcore traces what runs: a layer that caches a repeated input is counted once, unless the repeats are separate
    data (`example.clone()`). Padding taps are included.
    """
    with warnings.catch_warnings():
        # fvcore traces with torch.jit.trace, which is deprecated but does what is needed here
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(model, example)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        logger = logging.getLogger("fvcore")
        level = logger.level
        logger.setLevel(logging.ERROR)
        training = model.training
        model.eval()
        try:
            per_module = analysis.by_module()
        finally:
            model.train(training)
            logger.setLevel(level)
    return {name: int(per_module[name]) for name, module in model.named_modules() if isinstance(module, SYNAPTIC)}
