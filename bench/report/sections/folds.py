"""What is said of suites in which every seed has test samples of its own."""

from __future__ import annotations

from collections.abc import Iterable

from bench.report.evidence.comparison import Comparison
from bench.report.formats.document import Block, Paragraph

OF_MEANS = (
    "Every seed tests other samples: a spread over seeds is one over test samples too, and means over different seeds "
    "are not of the same samples, while differences are, seed by seed."
)
OF_INTERVALS = (
    " The networks of the seeds were trained on many of the same samples: all intervals over seeds in this section are "
    "of a variance of the mean corrected for that, (1/n + n_test/n_train) times that of a seed (Nadeau & Bengio 2003)."
)
OF_ONE_NETWORK = (
    "Every seed tests other samples and trains on many that the other seeds train on too: the interval is Student's of "
    "the accuracies of the seeds, its variance corrected for that as under Accuracy compared"
)


def of_samples(comparison: Comparison) -> list[Block]:
    """Say which samples test a seed; nothing where the split is fixed."""
    if not comparison.resampled:
        return []
    records = [record for entry in comparison.trained for record in entry.done if record.fold]
    tested = _from_to(record.test_samples for record in records)
    trained = _from_to(record.fold.train_samples for record in records if record.fold)
    numbers = f": {tested} test, {trained} train" if records else ""
    return [
        Paragraph(
            "Every seed has test samples of its own, the same for all entries: five seeds at a time share a partition "
            "of all samples into five folds, stratified by class, of which seed s tests fold s mod 5 of partition s "
            f"div 5{numbers}. The five seeds of a partition test every sample once."
        )
    ]


def of_differences(comparison: Comparison) -> str:
    """Say how differences are analysed, and why not as on a fixed test split."""
    found = comparison.overlap
    here = f"; n_test/n_train is {found:.3g} here" if found else ""
    return (
        "Every seed tests other samples and trains on many that the other seeds train on too: seeds are not crossed "
        "with samples, nor independent of each other. So a difference is taken within each seed, on the same samples, "
        "and the intervals are Student's of these differences, with n - 1 degrees of freedom and a variance of their "
        f"mean that is corrected for the overlap, (1/n + n_test/n_train) s² (Nadeau & Bengio 2003{here}). s² is the "
        "variance over seeds, and never less than what the test samples of a seed make alone, with z² / 4 "
        "disagreements added on either side to those of one partition. The intervals hold for seeds, test and training "
        "samples alike"
    )


def of_more_seeds(most: int) -> str:
    """Say what no number of seeds takes away."""
    return (
        " No number of seeds takes the variance of the mean below n_test/n_train times that of one seed: where "
        f"{most} are not enough, it takes more samples, in folds that are as large a share of them."
    )


def _from_to(counts: Iterable[int | None]) -> str:
    known = {count for count in counts if count is not None}
    return " to ".join(f"{count:,}" for count in sorted({min(known), max(known)})) if known else "an unknown number"
