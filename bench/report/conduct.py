"""How the comparison was carried out: matched or not, settings, unfinished runs, cost, provenance."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.record import DataSource, RunRecord, canonical_json
from bench.report.frame import Comparison, Entry, Slot
from bench.report.text import escape, joined, number, table

MEGABYTE = 1e6


def unfinished(comparison: Comparison) -> str:
    """Return the table of planned runs that are missing or failed, each with its reason; empty when there are none."""
    rows = [
        [escape(entry.label), str(slot.run.seed), slot.run.key, slot.status, escape(slot.reason)]
        for entry in comparison.trained
        for slot in entry.slots
        if slot.reason is not None
    ]
    return table(["entry", "seed", "key", "state", "reason"], rows, text_columns=5) if rows else ""


def unmatched_runs(comparison: Comparison) -> list[tuple[str, int]]:
    """Return (label, seed) of the finished runs whose initial weights or sample order are not the reference's.

    The reference of a seed is the baseline, or the first entry that finished where the baseline did not.
    """
    found = []
    for seed in comparison.suite.spec.seeds:
        done = list(_done(comparison, seed))
        if done:
            _, reference = done[0]
            found += [(label, seed) for label, record in done if _matching(record) != _matching(reference)]
            if _matching(reference) is None:
                found.append((done[0][0], seed))
    return found


def recordings(comparison: Comparison) -> str:
    """Say how many recordings an event data set had, and that a part is a part; empty for images."""
    records = [record for entry in comparison.trained for record in entry.done]
    found = list(dict.fromkeys(_amount(record.data) for record in records if record.data))
    if not found:
        return ""
    partial = any(record.data.partial for record in records if record.data)
    name = escape(comparison.suite.spec.dataset.name)
    words = f"Recordings of {name}: {'; in other runs '.join(found)}."
    return f"**A subset of the data, not comparable with results on all of it.** {words}" if partial else words


def _amount(data: DataSource) -> str:
    parts = {"train": "to train", "validation": "to validate", "test": "to test"}
    counts = [f"{data.recordings[name]:,} {words}" for name, words in parts.items() if name in data.recordings]
    return f"{', '.join(counts)}, of {data.complete:,}"


def matched(comparison: Comparison) -> str:
    """Say whether initial weights and sample order agree between the entries, seed by seed, with the digests."""
    if not any(entry.done for entry in comparison.entries):
        return "No finished run, so nothing to verify."
    wrong = unmatched_runs(comparison)
    declared = [entry for entry in comparison.trained if entry.spec.unmatched]
    words = [
        "The runs are **not matched**: other initial weights, or another sample order, than the baseline in "
        + ", ".join(f"{escape(label)} (seed {seed})" for label, seed in wrong)
        + "."
        if wrong
        else "The runs are **matched**: for each seed, all finished ones began with the same synaptic weights and were "
        "fed the same samples in the same order. The digests agree."
    ]
    words += [
        f"{escape(entry.label)} differs by declaration: {escape(joined(entry.spec.unmatched))}." for entry in declared
    ]
    words += [
        f"{escape(entry.label)} is not trained: it has the weights of {escape(entry.trained_as)}."
        for entry in comparison.entries
        if entry.trained_as
    ]
    rows = []
    for seed in comparison.suite.spec.seeds:
        for weights, order, labels in _digest_groups(comparison, seed):
            rows.append([str(seed), escape(weights), escape(order), ", ".join(map(escape, labels))])
    return " ".join(words) + "\n\n" + table(["seed", "initial weights", "sample order", "entries"], rows, 4)


def _done(comparison: Comparison, seed: int) -> Iterable[tuple[str, RunRecord]]:
    for entry in (comparison.baseline, *comparison.others):
        for slot in () if entry.trained_as else entry.slots:
            if slot.run.seed == seed and slot.done is not None:
                yield entry.label, slot.done


def _matching(record: RunRecord) -> tuple[str, str] | None:
    if record.digests is None:
        return None
    recordings = f", recordings {record.data.files}" if record.data else ""
    return record.digests.initial_weights, record.digests.sample_order + recordings


def _digest_groups(comparison: Comparison, seed: int) -> list[tuple[str, str, list[str]]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for label, record in _done(comparison, seed):
        groups.setdefault(_matching(record) or ("not recorded", "not recorded"), []).append(label)
    return [(*digests, labels) for digests, labels in groups.items()]


def settings(comparison: Comparison) -> str:
    """Return every setting that entries share, defaults included, and what sets the entries apart."""
    spec = comparison.suite.spec
    shared = {part: _resolved(comparison, part) for part in ("dataset", "model")} | {
        "train": spec.train.model_dump(mode="json"),
        "measure": {"samples": spec.measure.samples or "the whole test split"}
        | ({"diagnostics": True} if spec.measure.diagnostics else {}),
    }
    rows = [[escape(key), escape(_words(value))] for key, value in _flat(shared)]
    entries = [
        [
            escape(entry.label),
            escape(_plugin(entry, "neuron", entry.spec.neuron.model_dump(mode="json"))),
            escape(_plugin(entry, "encoder", entry.spec.encoder.model_dump(mode="json"))),
            str(entry.spec.timesteps),
            escape(_declared(entry)),
        ]
        for entry in comparison.entries
    ]
    header = ["entry", "neuron", "encoder", "timesteps", "declared difference"]
    return "\n\n".join(
        [
            "Entries differ in these, and in nothing else:",
            table(header, entries, 5),
            "The same for every entry, unless it declares otherwise:",
            table(["setting", "value"], rows, 2),
        ]
    )


def _resolved(comparison: Comparison, part: str) -> dict[str, Any]:
    """Parameters as written, then the defaults that the records say were in force for entries without overrides."""
    written: dict[str, Any] = getattr(comparison.suite.spec, part).model_dump(mode="json")
    plain = [entry for entry in comparison.entries if not getattr(entry.spec, part)]
    records = [slot.record for entry in plain for slot in entry.slots if slot.record is not None]
    names = sorted({name for record in records for name in record.resolved.get(part, {})})
    defaults = {
        name: _agreed([record.resolved[part][name] for record in records if name in record.resolved.get(part, {})])
        for name in names
        if name not in written
    }
    return written | defaults


def _plugin(entry: Entry, kind: str, written: Mapping[str, Any]) -> str:
    records = [slot.record for slot in entry.slots if slot.record is not None]
    defaults = sorted({name for record in records for name in record.resolved.get(kind, {})})
    names = dict.fromkeys([*written, *defaults])  # as written, then sorted: records come with their keys in any order
    parts = []
    for name in names:
        if name == "name":
            continue
        found = [record.resolved[kind][name] for record in records if name in record.resolved.get(kind, {})]
        parts.append(f"{name} = {_words(_agreed(found) if found else written[name])}")
    return f"{written['name']}({', '.join(parts)})" if parts else str(written["name"])


def _agreed(values: list[Any]) -> Any:
    distinct = list({canonical_json(value): value for value in values}.values())
    return distinct[0] if len(distinct) == 1 else " or ".join(map(_words, distinct))


def _declared(entry: Entry) -> str:
    words = [f"{key} = {_words(value)}" for key, value in _flat(_overrides(entry))]
    return "; ".join([f"the trained weights of {entry.trained_as}", *words] if entry.trained_as else words) or "nothing"


def _overrides(entry: Entry) -> dict[str, Any]:
    return {part: values for part in ("dataset", "model", "train") if (values := getattr(entry.spec, part))}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return {"null": "none", "true": "yes", "false": "no"}.get(canonical_json(value), canonical_json(value))


def simulation_cost(comparison: Comparison) -> str:
    """Return what training on the simulating machine took, per entry, as the mean over its finished runs."""
    rows = [
        [escape(entry.label), str(len(entry.done))]
        + [
            number(mean / size) if (mean := entry.summary(_clock(name)).mean) is not None else "n/a"
            for name, size in (("train_s", 1.0), ("images_per_s", 1.0), ("peak_memory_bytes", MEGABYTE))
        ]
        for entry in comparison.trained
    ]
    return table(["entry", "n", "training, s", "images per s", "peak memory, MB"], rows)


def measured_energy(comparison: Comparison) -> str:
    """Return the joules that simulating took, where a counter was read; empty where none was."""
    rows = [
        [
            escape(entry.label),
            str(record.seed),
            *(_joules(found, kind) for kind in ("training", "inference")),
            number(found["idle_w"]),
            escape(", ".join(str(found[name]) for name in ("source", "device", "driver") if name in found)),
            " / ".join(_mhz(found.get(name)) for name in ("sm_clock_mhz", "memory_clock_mhz")),
        ]
        for entry in comparison.trained
        for record in entry.done
        if (found := record.wall_clock.get("measured_energy"))
    ]
    header = ["entry", "seed", "training, mJ per sample", "inference, mJ per sample", "idle, W", "read from"]
    return table([*header, "SM / memory clock, MHz"], rows) if rows else ""


def _mhz(clock: int | None) -> str:
    return "n/a" if clock is None else str(clock)


def _joules(found: Mapping[str, Any], kind: str) -> str:
    mean, sd = (found[kind][name] for name in ("j_per_sample", "sd_j_per_sample"))
    spread = None if sd is None else 1e3 * sd
    return f"{number(1e3 * mean)} ± {number(spread)} ({found['repeats']} windows of {number(found['window_s'])} s)"


def _clock(name: str) -> Callable[[RunRecord], float | None]:
    return lambda record: record.wall_clock.get(name)


def provenance(comparison: Comparison) -> str:
    """Return the distinct commits, devices, versions and code digests, and which runs had which where they differ."""
    done = [(slot, slot.done) for entry in comparison.trained for slot in entry.slots if slot.done is not None]
    if not done:
        return "No finished run."
    found: dict[str, dict[str, list[Slot]]] = {}
    for slot, record in done:
        code = {"code digest": record.digests.code} if record.digests else {}
        for key, words in sorted((key, _words(value)) for key, value in _flat(record.provenance | code)):
            found.setdefault(key, {}).setdefault(words, []).append(slot)
    first = [key for key in ("commit", "device", "code digest") if key in found]
    rows = [
        [escape(key), escape(value), "all finished" if len(slots) == len(done) else _named(slots)]
        for key in [*first, *sorted(set(found) - set(first))]
        for value, slots in found[key].items()
    ]
    return table(["what", "value", "runs"], rows, 3)


def _named(slots: Iterable[Slot]) -> str:
    seeds: dict[str, list[str]] = {}
    for slot in slots:
        seeds.setdefault(slot.run.label, []).append(str(slot.run.seed))
    return "; ".join(f"{escape(label)} (seed {', '.join(numbers)})" for label, numbers in seeds.items())


def reproduce(comparison: Comparison, tables: Sequence[str]) -> str:
    """Return the command that makes the records and this report, with these cost tables, again."""
    spec = comparison.suite.spec
    path = f"suites/{spec.name}.toml"
    seeds = sorted({slot.run.seed for entry in comparison.trained for slot in entry.slots if slot.record is not None})
    runs = [f"spikebench run {path}"]
    if seeds and seeds != sorted(spec.seeds):
        runs = [f"spikebench run {path} --seed {seed}" for seed in seeds]
    extra = "".join(f" --table {shlex.quote(name)}" for name in tables if name not in spec.energy)
    lines = " && ".join([*runs, f"spikebench report {path}{extra}"])
    return f"```sh\n{lines}\n```"
