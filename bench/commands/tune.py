"""The verb `tune`: an equal budget of trials for every entry, and the suite that compares what was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.commands.options import Data, Device, Jobs, Offline, OneSuite, Trust, load, out
from bench.errors import BenchError, SuiteError

if TYPE_CHECKING:
    from bench.execute.plan import Settings
    from bench.records.record import RunRecord
    from bench.suite.load import Suite
    from bench.suite.tuning import Range, TuneSpec


HEAD = "# Made by `spikebench tune"  # by which a file that may be replaced is known


def tune(
    suite: OneSuite,
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to (default: NAME-tuned.toml beside the suite).")
    ] = None,
    jobs: Jobs = None,
    device: Device = "auto",
    data: Data = Path("data"),
    offline: Offline = False,
    trust: Trust = False,
) -> None:
    """Tune every entry with the same budget on held-out training samples, and write the suite that compares them."""
    from bench.execute.interrupts import terminate_like_interrupt
    from bench.execute.plan import Settings
    from bench.suite.load import read_suite

    terminate_like_interrupt()
    [loaded] = load([suite], trust)
    spec = loaded.spec.tune
    if spec is None:
        raise BenchError(
            f"{suite}: no [tune]; say `trials` and a `space`, as in "
            '[tune.space] "train.optimizer.learning_rate" = { low = 1e-4, high = 1e-1, log = true }'
        )
    file = file or suite.with_name(f"{loaded.name}-tuned.toml")
    _check_place(file)
    raw = read_suite(suite)
    check_tuning(loaded)
    _search(loaded, raw, spec, file, Settings(device=device, jobs=jobs, data=data, offline=offline))


def check_tuning(suite: Suite) -> None:
    """Raise SuiteError where the entries of a suite cannot be tuned as it asks; nothing where it asks nothing."""
    from bench.suite.load import read_suite
    from bench.suite.tuning import tuning_problems

    if suite.spec.tune is not None:
        problems = [f"{suite.path}: {problem}" for problem in tuning_problems(read_suite(suite.path), suite.spec.tune)]
        if problems:
            raise SuiteError(problems)


def _check_place(file: Path) -> None:
    """Raise BenchError, before anything is trained, where what is found has no place or would replace another file."""
    if not file.parent.is_dir():
        raise BenchError(f"--out {file}: there is no folder {file.parent}")
    if file.is_dir():
        raise BenchError(f"--out {file}: is a folder; name a file")
    if file.exists() and not file.read_bytes().startswith(HEAD.encode()):
        raise BenchError(f"{file}: was not made by tune, and is not replaced; name another with --out")


def _search(loaded: Suite, raw: Mapping[str, Any], spec: TuneSpec, file: Path, settings: Settings) -> None:
    """Ask, train and tell, trial by trial; what is done already is found in the store, so that this can be resumed."""
    from bench.commands.run import execute_todos
    from bench.execute.plan import plan
    from bench.files.durable import atomic_write
    from bench.store.store import Store
    from bench.suite.load import Suite
    from bench.suite.tuning import own_values, trial_suite, tuned_suite

    store = Store()
    own = [own_values(raw, index, spec.space) for index in range(len(loaded.spec.entries))]
    # a sequence each: entries of the same values would fail together, and trials of one be those of the other
    studies = [_Study(values, spec.space, spec.seed + index) for index, values in enumerate(own)]
    for trial in range(spec.trials):
        choices = [study.ask() for study in studies]
        trials = Suite.from_data(trial_suite(raw, spec, choices), loaded.path)
        out.print(f"trial {trial + 1} of {spec.trials}")
        try:
            execute_todos(*plan([trials], store), store, settings, dry_run=False)
        except typer.Exit as ended:
            if ended.exit_code != 1:  # interrupted; where runs have failed, they are the worst of trials
                raise
        accuracies = {record.label: _held_out_percent(record) for record in store.collect(trials)}
        if trial == 0 and not any(accuracies.values()):  # not even with the suite's own values
            raise typer.Exit(1)
        for study, entry in zip(studies, loaded.spec.entries, strict=True):
            study.tell(accuracies.get(entry.label, 0.0))
    tuned = tuned_suite(raw, spec, [study.trials for study in studies])
    Suite.from_data(tuned, file)  # it is refused here, if it is, and not when it is run
    atomic_write(file, _written(tuned, loaded))
    for study, entry in zip(studies, loaded.spec.entries, strict=True):
        best = max(study.trials, key=lambda trial: trial[1])
        values = ", ".join(f"{name} = {value:.4g}" for name, value in best[0].items())
        out.print(f"{entry.label}: {study.trials[0][1]:.2f} % as it was, {best[1]:.2f} % with {values}")
    out.print(f"{file}: each entry as it was and tuned; next: spikebench run {file}")


class _Study:
    """One entry's search by a tree-structured Parzen estimator (Bergstra et al. 2011), seeded; its own values first."""

    def __init__(self, own: Mapping[str, float], space: Mapping[str, Range], seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise BenchError("tune: needs Optuna; install it with `pip install spikebench[tune]`") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._study.enqueue_trial(dict(own))
        self._ranges: dict[str, Any] = {
            name: optuna.distributions.FloatDistribution(space[name].low, space[name].high, log=space[name].log)
            for name in own
        }
        self._asked: Any = None
        self._values: dict[str, float] = {}
        self.trials: list[tuple[dict[str, float], float]] = []

    def ask(self) -> dict[str, float]:
        """Return the values of the next trial, of six significant digits, so that a suite can say them."""
        self._asked = self._study.ask(self._ranges)
        self._values = {name: float(f"{value:.6g}") for name, value in self._asked.params.items()}
        return self._values

    def tell(self, percent: float) -> None:
        """Hand on what became of the trial."""
        self._study.tell(self._asked, percent)
        self.trials.append((self._values, percent))


def _held_out_percent(record: RunRecord) -> float:
    """Return the held-out accuracy of a run's last epoch, in percent; 0 where it failed."""
    fraction = record.history[-1].validation_accuracy_fraction if record.history else None
    return 100 * fraction if record.status == "done" and fraction is not None else 0.0


def _written(tuned: Mapping[str, Any], loaded: Suite) -> str:
    import tomli_w

    head = f"{HEAD} {loaded.path}`: each entry of it as it was, and with the values found for it.\n"
    return head + tomli_w.dumps(dict(tuned))
