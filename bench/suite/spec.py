"""What a suite file may say: its entries and the models that the TOML is checked against."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bench.suite.fields import MOST_ENTRIES, MOST_RUNS, MOST_TABLES, Label, Name, PluginSpec, Positive, Strict, Title
from bench.suite.recipe import TrainSpec
from bench.suite.run_spec import DatasetSpec, Frames, MeasureSpec, ModelSpec
from bench.suite.tuning import TunedSpec, TuneSpec

Pair = Annotated[list[Label], Field(min_length=2, max_length=2)]
Pairs = Annotated[list[Pair], Field(min_length=2, max_length=2)]


class ExpectSpec(Strict):
    """An accuracy that somebody published for an entry, and within how many points of it ours counts as the same."""

    accuracy: Annotated[float, Field(ge=0.0, le=100.0)]  # percent
    tolerance: Annotated[float, Field(gt=0.0, le=100.0)]  # percentage points
    source: Title  # who published it, where, and how it was measured
    of: Literal["last", "best"] = "last"  # which of ours is comparable: of the last epoch or the best test epoch


class EntrySpec(Strict):
    """A row of the comparison: neuron, timesteps and encoder; anything else must be declared in `unmatched`.

    `dataset`, `model` and `train` hold overrides of the suite's own tables, merged key by key. `deploy` is a neuron
    that the trained weights are measured with too: a row of its own, and nothing is trained for it. `tested` are other
    sequences that the trained network is tested on too: its frames shuffled, or each their mean.
    """

    label: Label
    neuron: PluginSpec
    timesteps: Annotated[int, Field(ge=1, le=10_000)]
    encoder: PluginSpec = PluginSpec(name="direct")
    deploy: PluginSpec | None = None
    tested: Annotated[list[Frames], Field(max_length=2)] = []
    dataset: dict[str, Any] = {}
    model: dict[str, Any] = {}
    train: dict[str, Any] = {}
    unmatched: Annotated[list[str], Field(max_length=100)] = []
    expect: ExpectSpec | None = None  # told and judged in the report, never run: no key holds it
    tuned: TunedSpec | None = None  # the trials by which its values were chosen; told, and no key holds it

    @property
    def deployed_label(self) -> str:
        """The label of the row that `deploy` adds."""
        return f"{self.label} as {self.deploy.name if self.deploy else self.neuron.name}"


class SuiteSpec(Strict):
    """A suite file."""

    name: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    title: Title
    baseline: Label
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1, max_length=MOST_RUNS)]
    # `run --until-settled` adds seeds up to so many; said here, because every interval is corrected for the looks.
    most_seeds: Annotated[int, Field(ge=3, le=MOST_RUNS)] | None = None
    energy: Annotated[list[str], Field(min_length=1, max_length=MOST_TABLES)]
    margin_points: Positive = 0.5  # "as accurate" means within this many percentage points
    # Entries to compare beside each with the baseline: the first of two minus the second.
    contrasts: Annotated[list[Pair], Field(max_length=MOST_ENTRIES)] = []
    # Differences of differences: that between the first two entries minus that between the second two.
    interactions: Annotated[list[Pairs], Field(max_length=MOST_ENTRIES)] = []
    # Where it departs from the published recipe that it follows. Told, never run: no key holds it.
    deviations: Annotated[list[Title], Field(max_length=100)] = []
    smaller: Name | None = None  # the suite to try where this one would take days
    dataset: DatasetSpec
    model: ModelSpec
    train: TrainSpec
    measure: MeasureSpec = MeasureSpec()
    tune: TuneSpec | None = None  # what `spikebench tune` searches
    entries: Annotated[list[EntrySpec], Field(min_length=1, max_length=MOST_ENTRIES)]
