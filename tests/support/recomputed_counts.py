"""What was counted, layer by layer and seed by seed, in a written report against the records."""

import math

from scipy import stats

from support.recomputed import mean, tested
from support.recomputed_cells import fixed, sig, unit_of
from support.recomputed_energy import COLUMNS, dense_macs

OPERANDS = {"binary": "binary x weight", "ternary": "ternary x weight", "graded": "integer x weight", "analog": "float"}
MOST_VALUES = 4  # learned parameters of a layer that are listed one by one


def compare_counts(reckoned):
    """Compare the tables of layers, neurons and other operations, McNemar's test and what the simulation took."""
    sections = {
        ("Operations per layer",): _layers,
        ("Neurons",): _neurons,
    }
    for (title,), compare in sections.items():
        for row in reckoned.done:
            (table,) = reckoned.page[title, row.label]
            compare(reckoned, table, row)
    tables = {
        ("Neurons", "Firing rate by timestep"): _rates,
        ("Spike-driven",): _operands,
        ("Operations outside synapses and neurons",): _other_operations,
        ("Sample by sample",): _mcnemar,
        ("Cost of the simulation",): _simulation,
    }
    for path, compare in tables.items():
        for table in reckoned.page.get(path, []):
            compare(reckoned, table)


def _in_words(operations):
    return (
        ", ".join(
            f"{int(count) if count == int(count) else count:,} {name}"
            for name, count in sorted(operations.items())
            if count
        )
        or "none"
    )


def _parts(row, kind):
    """The parts of a kind by name, one of each run."""
    found = {}
    for run in row.runs.values():
        for part in run[kind]:
            found.setdefault(part["name"], []).append(part)
    return found


def _layers(reckoned, table, row):
    found = _parts(row, "layers")
    if [line[0] for line in table.rows] != list(found):
        reckoned.checked.disagreements.append(f"layers of {row.label}")
    sizes = [unit_of(heading) for heading in table.header]
    for at, layers in enumerate(found.values()):
        for column, what, more in ((1, "kind", _weights(layers)), (2, "input_kind", _input_bits(layers))):
            words = ", ".join(dict.fromkeys(layer[what] for layer in layers))
            reckoned.checked.words(table, at, column, words + more)
        synops = [layer["effective_synops_total"] / layer["samples"] for layer in layers]
        values = {
            3: mean(_density(layer) for layer in layers),
            4: mean(map(dense_macs, layers)),
            5: mean(layer["dense_macs_valid_total"] / layer["samples"] for layer in layers),
            6: mean(synops),
        }
        if all(layer["static_input"] for layer in layers):
            values[7] = mean(one / layer["timesteps"] for one, layer in zip(synops, layers, strict=True))
        for column, value in values.items():
            reckoned.checked.cell(table, at, column, "{}", sig(value, sizes[column]))


def _weights(layers):
    bits = dict.fromkeys(layer["weight_bits"] for layer in layers if layer.get("weight_bits"))
    zeros = mean(layer.get("zero_weights", 0) / math.prod(layer["weight_shape"]) for layer in layers)
    width = f", {', '.join(map(str, bits))}-bit weights" if bits else ""
    return width + (f", {100 * zeros:.1f} % of them 0" if zeros else "")


def _input_bits(layers):
    bits = dict.fromkeys(layer["input_bits"] for layer in layers if layer.get("input_bits"))
    return f" of {', '.join(map(str, bits))} bits" if bits else ""


def _density(layer):
    return layer["input_nonzero_total"] / (layer["samples"] * layer["timesteps"] * math.prod(layer["input_shape"]))


def _neurons(reckoned, table, row):
    found = _parts(row, "neurons")
    if [line[0] for line in table.rows] != list(found):
        reckoned.checked.disagreements.append(f"neurons of {row.label}")
    size = unit_of(table.header[6])
    for at, neurons in enumerate(found.values()):
        words = {
            1: [neuron["neuron"] for neuron in neurons],
            2: [_in_words(neuron["ops_per_update"]) for neuron in neurons],
            4: [f"{neuron['units']:,}" for neuron in neurons],
            7: [str(neuron["state_words"]) for neuron in neurons],
        }
        for column, each in words.items():
            reckoned.checked.words(table, at, column, ", ".join(dict.fromkeys(each)))
        _learned(reckoned, table, at, [neuron["parameters"] for neuron in neurons])
        spikes = [neuron["spikes_total"] / neuron["samples"] for neuron in neurons]
        rates = [one / (n["units"] * n["timesteps"]) for one, n in zip(spikes, neurons, strict=True)]
        reckoned.checked.cell(table, at, 5, "{}", sig(mean(rates)))
        reckoned.checked.cell(table, at, 6, "{}", sig(mean(spikes), size))


def _learned(reckoned, table, at, parameters):
    """The mean over runs of what a layer has learned, the range of many values."""
    words, numbers = [], []
    for name in sorted(parameters[0]):
        means = [mean(values) for values in zip(*(run[name] for run in parameters), strict=True)]
        if len(means) > MOST_VALUES:
            words.append(f"{name} = {{}} ({{}} to {{}})")
            numbers += [mean(means), min(means), max(means)]
        else:
            words.append(f"{name} = {', '.join('{}' for _ in means)}")
            numbers += means
    if words:
        reckoned.checked.cell(table, at, 3, "; ".join(words), *map(sig, numbers))


def _rates(reckoned, table):
    """Spikes per neuron at each timestep."""
    found = [
        (
            row.label,
            name,
            [[n / (each["units"] * each["samples"]) for n in each["spikes_by_timestep"]] for each in layers],
        )
        for row in reckoned.done
        for name, layers in _parts(row, "neurons").items()
        if all(each["spiking"] and each.get("spikes_by_timestep") for each in layers)
    ]
    if [line[:2] for line in table.rows] != [[label, name] for label, name, _ in found]:
        reckoned.checked.disagreements.append("rows of the firing rate by timestep")
    for at, (_, name, runs) in enumerate(found):
        reckoned.checked.words(table, at, 1, name)
        for column, rates in enumerate(zip(*runs, strict=True), 2):
            reckoned.checked.cell(table, at, column, "{}", sig(mean(rates)))


def _operands(reckoned, table):
    """What meets a weight, as a share of dense and of effective operations; what a network without products is."""
    for at, row in reckoned.named(table, reckoned.done):
        reckoned.checked.words(table, at, 1, ", ".join(dict.fromkeys(map(_kind_of, row.runs.values()))))
        for column, operands in enumerate(table.header[2:], 2):
            shares = [_share(run, operands) for run in row.runs.values()]
            means = [mean(each) for each in zip(*shares, strict=True)]
            if means[0]:
                reckoned.checked.cell(table, at, column, "{} % ({} %)", *(sig(one, 0.01, digits=3) for one in means))


def _share(run, operands):
    dense = [(OPERANDS[layer["input_kind"]], dense_macs(layer)) for layer in run["layers"]]
    effective = [(OPERANDS[layer["input_kind"]], layer["effective_synops_total"]) for layer in run["layers"]]
    return [
        math.fsum(n for each, n in parts if each == operands) / math.fsum(n for _, n in parts)
        for parts in (dense, effective)
    ]


def _kind_of(run):
    values = [layer for layer in run["layers"] if layer["input_kind"] == "analog"]
    if len(values) == len(run["layers"]):
        return "conventional"
    if not all(layer.get("network_input") for layer in values):
        return "hybrid"
    integers = any(layer["input_kind"] == "graded" for layer in run["layers"])
    return f"spike-driven{' with integers' * integers}{' behind its input' * bool(values)}"


def _other_operations(reckoned, table):
    expected = []
    for row in reckoned.done:
        found = [other for run in row.runs.values() for other in run["other_ops"]]
        for column in [name for name in COLUMNS if any(other["column"] == name for other in found)]:
            own, total = [other for other in found if other["column"] == column], {}
            for other in own:
                for name, count in other["ops_per_sample"].items():
                    total[name] = total.get(name, 0) + count
            total = {name: count / len(row.runs) for name, count in total.items()}
            where = ", ".join(dict.fromkeys(other["name"] for other in own))
            expected.append((row.label, column, where, _in_words(total)))
    if [line[0] for line in table.rows] != [line[0] for line in expected]:
        reckoned.checked.disagreements.append("rows of other operations")
    for at, line in enumerate(expected):
        for column, words in enumerate(line[1:], 1):
            reckoned.checked.words(table, at, column, words)


def _mcnemar(reckoned, table):
    """The exact two-sided binomial test of the samples that only one of two networks gets right."""
    base = reckoned.base
    both = [(row, s) for row in reckoned.rows if row is not base for s in row.runs if s in base.runs]
    pairs = [(row, s) for row, s in both if tested(row.runs[s]) == tested(base.runs[s])]
    if [line[:2] for line in table.rows] != [[row.label, str(seed)] for row, seed in pairs]:
        reckoned.checked.disagreements.append("rows of McNemar's test")
    for at, (row, seed) in enumerate(pairs):
        apart = row.bits(seed) - base.bits(seed)
        only_base, only_entry = int((apart < 0).sum()), int((apart > 0).sum())
        n, least = only_base + only_entry, min(only_base, only_entry)
        p = min(1.0, 2 * stats.binom.cdf(least, n, 0.5)) if n else 1.0
        for column, words in ((1, str(seed)), (2, str(only_base)), (3, str(only_entry))):
            reckoned.checked.words(table, at, column, words)
        if p < 0.001:
            reckoned.checked.words(table, at, 4, "< 0.001")
        else:
            reckoned.checked.cell(table, at, 4, "{}", fixed(p, 3))


def _simulation(reckoned, table):
    """What training took: a deployed neuron has no training of its own."""
    for at, row in reckoned.named(table, [row for row in reckoned.done if not row.deployed]):
        reckoned.checked.words(table, at, 1, str(len(row.runs)))
        for column, (what, size) in enumerate((("train_s", 1), ("images_per_s", 1), ("peak_memory_bytes", 1e6)), 2):
            value = row.mean(lambda run, what=what: run["wall_clock"].get(what))
            reckoned.checked.cell(table, at, column, "{}", sig(value, size))
