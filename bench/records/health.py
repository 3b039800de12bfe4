"""Whether a finished run has learned anything, from its record alone: diverged, dead, at chance, or none of these.

The energy of a network that has not learned is no advantage: the cheapest one computes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.records.measurement import Measurement
from bench.records.record import RunRecord

DIVERGED, DEAD, AT_CHANCE = STATES = "diverged", "dead", "at chance"  # the gravest first

# Ten times the cross-entropy of a uniform guess, 10 ln C, is a geometric mean probability of C^-10 for the right class.
TIMES_A_GUESS = 10.0
LEVEL = 0.01  # of the test against guessing

# How many of the test split are of its most frequent class, where classes are not equally frequent: (count, of).
_MOST_FREQUENT = {"digits": (37, 360), "mnist": (1135, 10_000), "n-mnist": (1135, 10_000)}


@dataclass(frozen=True)
class Health:
    """What is wrong with a finished run: a reason for each state that it is in, the gravest first; none of a sound one.

    *diverged*: the mean training loss of the last epoch is above 10 times that of a network that says nothing: ln C of
    C classes for cross-entropy (all probabilities equal), the mean square of the targets for a squared error (all
    logits 0). For a loss from outside this package: above 10 times that of the first epoch.
    *dead*: a layer of spiking neurons of which none fired over the whole test split.
    *at chance*: not distinguishable from guessing the most frequent class by the exact one-sided binomial test on the
    test split, at a level of 1 %. Where the shares of the classes are not known they are taken to be equal.
    """

    reasons: Mapping[str, str]

    @property
    def state(self) -> str | None:
        """The gravest state in one word or two; None of a sound run."""
        return next(iter(self.reasons), None)

    @property
    def words(self) -> str:
        """Each state with its reason, as one line; empty of a sound run."""
        return "; ".join(f"{state}: {reason}" for state, reason in self.reasons.items())


def health_of(record: RunRecord, trained: RunRecord | None = None) -> Health:
    """Return what is wrong with a finished run; `trained` is the run that made its weights, where it only has them."""
    found = {
        DIVERGED: _diverged(trained or record),
        DEAD: f"no neuron fired in {', '.join(record.dead)}" if record.dead else None,
        AT_CHANCE: _at_chance(record),
    }
    return Health({state: reason for state, reason in found.items() if reason is not None})


def oddities_of(record: RunRecord) -> str:
    """Return on one line what is wrong with a finished run, and an accuracy of 0 in training; empty of a sound run."""
    words = [health_of(record).words] if record.status == "done" else []
    if record.history and record.history[-1].train_accuracy_fraction == 0.0:
        words.append("accuracy 0.0 % in training: not one sample was right, which guessing would be")
    return "; ".join(filter(None, words))


def guess_fraction(record: RunRecord) -> float | None:
    """Return the accuracy of always naming the most frequent class of the test split; None without counted layers."""
    count, of = _MOST_FREQUENT.get(str(_part(record, "dataset").get("name")), (0, 0))
    if count and record.test_samples == of:
        return count / of
    classes = _classes(record)
    return 1 / classes if classes else None


def _diverged(record: RunRecord) -> str | None:
    if not record.history:
        return None
    first, last = record.history[0].train_loss, record.history[-1].train_loss
    nothing = _loss_of_nothing(record)
    usual, whose = (first, "that of the first epoch") if nothing is None else (nothing, "that of a guess")
    if math.isfinite(last) and last <= usual + (TIMES_A_GUESS - 1) * abs(usual):  # a loss from outside may be negative
        return None
    return f"the training loss ended at {last:.3g}, {whose} is {usual:.3g}"


def _loss_of_nothing(record: RunRecord) -> float | None:
    """The loss of a network that says nothing; None for a loss that is not known."""
    loss = _part(_part(record, "train"), "loss")
    known = _LOSSES.get(str(loss.get("name")))
    classes = _classes(record)
    return known(classes, loss) if known is not None and classes > 1 else None


def _cross_entropy(classes: int, loss: Mapping[str, Any]) -> float:
    return math.log(classes)  # whatever the labels are smoothed or mixed to


def _squared_error(classes: int, loss: Mapping[str, Any]) -> float:
    return 1 / classes


def _tet(classes: int, loss: Mapping[str, Any]) -> float:
    weight, target = _number(loss, "mse_weight", 0.05), _number(loss, "mse_target", 1.0)
    return (1 - weight) * math.log(classes) + weight * target * target


def _tet_one_hot(classes: int, loss: Mapping[str, Any]) -> float:
    weight = _number(loss, "mse_weight", 0.05)
    return (1 - weight) * math.log(classes) + weight / classes


_LOSSES: Mapping[str, Callable[[int, Mapping[str, Any]], float]] = {
    "ce": _cross_entropy,
    "mse": _squared_error,
    "tet": _tet,
    "tet-one-hot": _tet_one_hot,
}


def _at_chance(record: RunRecord) -> str | None:
    guess, accuracy, samples = guess_fraction(record), record.accuracy_fraction, record.test_samples
    if guess is None or accuracy is None or samples is None:
        return None
    # Hoeffding's bound on p: below the level so is p, and the second that importing scipy.stats takes is saved.
    if accuracy > guess and math.exp(-2 * samples * (accuracy - guess) ** 2) < LEVEL:
        return None
    from scipy.stats import binomtest

    right = min(round(accuracy * samples), samples)
    p = float(binomtest(right, samples, guess, alternative="greater").pvalue)
    if p < LEVEL:
        return None
    return (
        f"{100 * accuracy:.2f} % of {samples:,} test samples is not above guessing, {100 * guess:.2f} % (p = {p:.2g})"
    )


def _classes(record: Measurement) -> int:
    """How many outputs the network has: those of its last layer; 0 where none was counted."""
    return record.layers[-1].output_shape[0] if record.layers else 0


def _part(whole: RunRecord | Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = (whole.spec if isinstance(whole, RunRecord) else whole).get(name)
    return found if isinstance(found, Mapping) else {}


def _number(values: Mapping[str, Any], name: str, default: float) -> float:
    found = values.get(name)
    return float(found) if isinstance(found, int | float) else default
