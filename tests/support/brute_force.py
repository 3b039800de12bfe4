"""Counters that share nothing with this package's: every product run again on ones and zeros."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

MATRICES = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2), "mv": (0, 1), "addmv": (1, 2)}


class BruteForce(TorchDispatchMode):
    """Pairs of two non-zero operands of every product that runs, found by running it on ones and zeros."""

    def __init__(self):
        super().__init__()
        self.pairs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in MATRICES:
            left, right = (args[at].ne(0).double() for at in MATRICES[name])
            self.pairs += int(torch.matmul(left, right).sum())
        elif name == "convolution":
            x, weight = args[0].ne(0).double(), args[1].ne(0).double()
            self.pairs += int(torch.convolution(x, weight, None, *args[3:]).sum())
        return func(*args, **(kwargs or {}))


def pairs_of(model, x):
    """Pairs that are multiplied when the model runs on x."""
    with torch.no_grad(), BruteForce() as found:
        model.eval()(x)
    return found.pairs


def brute(model, x):
    """Pairs that are multiplied, and dense MACs, by counters that share nothing with this package's."""
    model.eval()
    fast, onednn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.mkldnn.enabled = False
    try:
        with torch.no_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            with BruteForce() as found:
                model(x)
            with FlopCounterMode(display=False) as flops:
                model(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.mkldnn.enabled = onednn
    return found.pairs, flops.get_total_flops() // 2
