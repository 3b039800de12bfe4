"""The process of one subject: reads what to measure from standard input, answers one JSON line each."""

from __future__ import annotations

import os
import sys
import warnings

from bench.errors import BenchError
from bench.plugins.trust import trusting
from bench.speed.job import Subject


def main() -> int:
    """Serve: a subject, then a line for each of its turns, then the end of the input."""
    subject = Subject.model_validate_json(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the answers
    if subject.peer is not None:
        warnings.simplefilter("ignore")

    import torch

    from bench.speed.steps import Steps
    from bench.train.machine.device import algorithms

    torch.set_num_threads(1)  # as in training
    try:
        recipe, device = subject.spec.train, torch.device(subject.device)
        with trusting(subject.trust), algorithms(recipe.deterministic, device, portable=recipe.portable):
            steps = Steps(subject)
            answers.write(steps.warm().model_dump_json() + "\n")
            for _ in sys.stdin.buffer:
                answers.write(steps.block().model_dump_json() + "\n")
            answers.write(steps.end(roofline=subject.peer is None).model_dump_json() + "\n")
    except BenchError as error:
        answers.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
