"""What a network's counts cost under a table, from the documentation of the rules and with no code of the product's."""

import math

COLUMNS = ("bias", "norm", "pooling", "residual", "encoder", "readout")
TOLD = {"title", "source", "node_nm", "precision", "scope", "lacks", "assumptions", "status"}  # no price in them
KNOWN_KEYS = {"operation_pj", "memory", "bits", *TOLD}
AT_MOST = {"select": "mul", "shift": "mul", "logic": "compare"}  # taken where a table has no price of its own
FIFO_WORDS = 1000


def plus(*parts):
    """The sum, None where a part has no price."""
    return None if any(part is None for part in parts) else math.fsum(parts)


def checked(table):
    """A table as read, with the prices that others bound; per-synop chips have keys whose rules are not here."""
    unknown = set(table) - KNOWN_KEYS
    if unknown:
        raise NotImplementedError(f"no recomputation for {sorted(unknown)} of a cost table")
    prices = table["operation_pj"]
    prices |= {one: prices[other] for one, other in AT_MOST.items() if one not in prices and other in prices}
    return table


def priced(operations, table):
    """Picojoule of operations by name; what does not occur costs nothing, with or without a price."""
    prices = table["operation_pj"]
    return plus(*(n * prices[name] if name in prices else None for name, n in operations.items() if n))


def access_pj(purpose, words, table):
    """One access to a memory of so many words: base + per bit + straight lines from (0, 0), flat above the last."""
    memory = table["memory"]
    price = memory.get("prices", {}).get(purpose) or (None if purpose == "load" else memory.get("price"))
    if price is None:
        return 0.0  # outside the table's scope
    size = words * memory["word_bits"] / 8
    xs, ys = [0.0, *price.get("sizes_bytes", [])], [0.0, *price.get("pj", [])]
    at = next((i for i, x in enumerate(xs) if size <= x), None)
    if at is None:
        line = ys[-1]
    else:
        line = (
            ys[at]
            if xs[at] == size
            else ys[at - 1] + (ys[at] - ys[at - 1]) * (size - xs[at - 1]) / (xs[at] - xs[at - 1])
        )
    factor = table.get("narrow", {}).get(purpose, 1.0)
    return factor * (price.get("base_pj", 0.0) + price.get("pj_per_bit", 0.0) * 8 * size + line)


def moved(accesses, table):
    """Picojoule of accesses [(purpose, how many, words of the memory)]."""
    if "memory" not in table:
        return 0.0
    return math.fsum(count * access_pj(purpose, words, table) for purpose, count, words in accesses)


def rule(table):
    """The rule that a table charges by."""
    name = table.get("memory", {}).get("accesses", "per-operation")
    if name not in ("per-operation", "lemaire"):
        raise NotImplementedError(f"no recomputation for the rule {name}")
    return name


def dense_macs(layer):
    """Multiply-accumulates per sample as if nothing were zero, padding taps included, from the shapes alone."""
    if layer["kind"] == "linear":
        return math.prod(layer["weight_shape"]) * layer["timesteps"]
    if not layer["kind"].startswith("conv") or "transpose" in layer["kind"]:
        raise NotImplementedError(f"no recomputation for {layer['kind']}")
    return math.prod(layer["output_shape"]) * math.prod(layer["weight_shape"][1:]) * layer["timesteps"]


def layer_terms(layer, skipping, table):
    """Operations, addressing, accesses that spikes cause and accesses of other causes, per sample."""
    if layer.get("second_kind"):
        raise NotImplementedError("no recomputation for products of activations")
    linear, outputs, weights = (
        layer["kind"] == "linear",
        math.prod(layer["output_shape"]),
        math.prod(layer["weight_shape"]),
    )
    steps, inputs, n = layer["timesteps"], math.prod(layer["input_shape"]), layer["samples"]
    channels, taps = layer["weight_shape"][0], math.prod(layer["weight_shape"][2:])
    pairs, nonzero = layer["effective_synops_total"] / n, layer["input_nonzero_total"] / n
    without = layer.get("synops_without_zero_weights_total")
    synops = without / n if skipping and without is not None else pairs  # zero weights are skipped as zero inputs are
    kept = synops / pairs if pairs else 1.0
    fetched = weights - (layer.get("zero_weights", 0) if skipping else 0)
    published = rule(table) == "lemaire"
    fixed = [] if published else [("load", fetched, weights)]  # each weight from DRAM, once per sample
    if layer["has_bias"]:
        fixed.append(("bias", outputs * steps, channels))
    if layer["input_kind"] == "analog":
        macs = synops if skipping else dense_macs(layer)
        read = macs
        if published and linear:
            read = nonzero if skipping else inputs * steps
        fixed += [("input", read, inputs), ("weight", macs, weights), ("output", outputs * steps, outputs)]
        addressed = inputs + outputs + (0 if linear else channels * taps)
        return {"mac": macs}, {"ac": addressed * steps} if published else {}, [], fixed
    acs = synops if layer.get("graded_acs_total") is None else layer["graded_acs_total"] / n * kept
    if not published:
        caused = [("weight", synops, weights), ("input", nonzero, inputs), ("potential", 2 * synops, outputs)]
        return {"ac": acs}, {}, caused, fixed
    per_group = channels // layer["groups"]
    met = nonzero * per_group * taps * kept
    by_stride = [math.ceil(k / s) for k, s in zip(layer["weight_shape"][2:], layer["stride"], strict=True)]
    published_acs = nonzero * per_group * math.prod(by_stride) * kept * (acs / synops if synops else 1)
    caused = [("input", nonzero, FIFO_WORDS), ("weight", met, weights), ("potential", 2 * met, outputs)]
    return {"ac": published_acs}, {"ac": met} if linear else {"mac": 2 * nonzero, "ac": met}, caused, fixed


def layer_pj(layer, skipping, table):
    """Picojoule per sample of a layer: synapse, memory, load (part of memory), addressing, what spikes cause."""
    of_addresses, table = table, quantised(layer, table)
    operations, addressing, caused, fixed = layer_terms(layer, skipping, table)
    synapse, addresses = priced(operations, table), priced(addressing, of_addresses)
    spikes_come_in = layer["input_kind"] != "analog" and not layer.get("network_input")
    return {
        "synapse": synapse,
        "memory": moved(caused + fixed, table),
        "load": moved([one for one in fixed if one[0] == "load"], table),
        "addressing": addresses,
        "driven": plus(synapse, addresses, moved(caused, table)) if spikes_come_in else 0.0,
    }


def neuron_pj(neuron, table):
    """Picojoule per sample of a neuron layer: updates, memory, and what spikes cause."""
    updates, traced = neuron["units"] * neuron["timesteps"], neuron["ops_per_update"]
    spikes, units, words = neuron["spikes_total"] / neuron["samples"], neuron["units"], neuron["state_words"]
    if not neuron["spiking"]:
        return {"neuron": priced({name: n * updates for name, n in traced.items()}, table), "memory": 0, "driven": 0}
    if rule(table) == "per-operation":  # state read and written at every timestep and cleared once, spikes written
        state, output = ("state", 2 * updates * words + units * words, units * words), ("output", spikes, units)
        found, reset = priced({name: n * updates for name, n in traced.items()}, table), 0.0
    else:  # the published leak and reset, and what the neuron does beside a LIF
        state, output = ("state", 2 * updates * max(1, words), units), ("output", spikes, FIFO_WORDS)
        older = "sub" in traced and not {"select", "shift", "logic"} & set(traced)
        lif = {"add": 1, "sub": 1, "compare": 1}
        lif |= {"mul": 2} if older else {"select": 1, "shift" if "shift" in traced else "mul": 1}
        extra = [priced({one: (traced.get(one, 0) - lif.get(one, 0)) * updates}, table) for one in {*traced, *lif}]
        reset = priced({"ac": spikes}, table)
        found = plus(priced({"mac": updates}, table), reset, *extra)
        found = None if found is None else max(0.0, found)
    return {
        "neuron": found,
        "memory": moved([state, output], table),
        "driven": plus(reset, moved([output], table)),
    }


def sigmoid_at(factor, table):
    """The table with another price of a sigmoid."""
    prices = table["operation_pj"]
    changed = {"sigmoid": factor * prices["sigmoid"]} if "sigmoid" in prices else {}
    return table | {"operation_pj": prices | changed}


def narrowed(bits, table):
    """The table for activations of so many bits: the multiplication of a MAC and accesses to them in proportion."""
    prices, share = table["operation_pj"], min(1.0, bits / table["bits"])
    mac = prices["ac"] + (prices["mac"] - prices["ac"]) * share
    return table | {"operation_pj": prices | {"mac": mac}, "narrow": {"input": share, "output": share}}


def quantised(layer, table):
    """The table for a layer whose inputs or weights are of few bits, by both widths; what it writes is not narrower."""
    inputs, weights = layer.get("input_bits"), layer.get("weight_bits")
    if inputs is None and weights is None:
        return table
    before, prices = table.get("narrow", {}), table["operation_pj"]
    read, fetched = (1.0 if bits is None else min(1.0, bits / table["bits"]) for bits in (inputs, weights))
    mac = prices["ac"] + (prices["mac"] - prices["ac"]) * read * fetched
    shares = {"input": read, "weight": fetched, "load": fetched}
    narrow = before | {purpose: before.get(purpose, 1.0) * share for purpose, share in shares.items()}
    return table | {"operation_pj": prices | {"mac": mac}, "narrow": narrow}


def rest(counts, table):
    """Picojoule per sample of all that is no synaptic layer, by column."""
    found = {
        column: plus(*(priced(o["ops_per_sample"], table) for o in counts["other_ops"] if o["column"] == column))
        for column in COLUMNS
    }
    neurons = [neuron_pj(neuron, table) for neuron in counts["neurons"]]
    return found | {what: plus(*(each[what] for each in neurons)) for what in ("neuron", "memory", "driven")}


def total(counts, layers, others):
    """Layers and the rest; None where something has no price or was not counted."""
    if counts["not_counted"]:
        return None
    each = [layer[what] for layer in layers for what in ("synapse", "memory", "addressing")]
    return plus(*each, *(others[column] for column in (*COLUMNS, "neuron", "memory")))


def cached(counts, layers, others, table):
    """The total with what never changes over time computed once: such a layer, but for its load, and its bias."""
    found = [total(counts, layers, others)]
    for layer, cost in zip(counts["layers"], layers, strict=True):
        if layer["static_input"]:
            bias = [
                o["ops_per_sample"] for o in counts["other_ops"] if (o["column"], o["name"]) == ("bias", layer["name"])
            ]
            each_time = plus(cost["synapse"], cost["memory"], cost["addressing"], -cost["load"])
            again = plus(each_time, *(priced(operations, table) for operations in bias))
            found.append(None if again is None else -again * (1 - 1 / layer["timesteps"]))
    return plus(*found)


def energy(counts, table, pixels=None):
    """Every figure of a network under a table, picojoule per sample; `pixels` prices what sees the network's input."""
    own = [pixels if pixels and layer.get("network_input") else table for layer in counts["layers"]]
    dense, skipping = (
        [layer_pj(layer, zeros, each) for layer, each in zip(counts["layers"], own, strict=True)]
        for zeros in (False, True)
    )
    others = rest(counts, table)
    whole = not counts["not_counted"]
    found = {
        ("total", "dense"): total(counts, dense, others),
        ("total", "zero-skipping"): total(counts, skipping, others),
        ("synapse", "dense"): plus(*(layer["synapse"] for layer in dense)) if whole else None,
        ("synapse", "zero-skipping"): plus(*(layer["synapse"] for layer in skipping)) if whole else None,
        "cached": cached(counts, dense, others, table),
        ("driven", "dense"): plus(*(layer["driven"] for layer in dense), others["driven"]),
        ("driven", "zero-skipping"): plus(*(layer["driven"] for layer in skipping), others["driven"]),
        "memory": plus(*(layer["memory"] for layer in dense), others["memory"]) if "memory" in table else None,
        "addressing": plus(*(layer["addressing"] for layer in dense)) if rule(table) == "lemaire" else None,
        "sigmoid at 0": total(counts, dense, rest(counts, sigmoid_at(0, table))),
        "sigmoid at 10": total(counts, dense, rest(counts, sigmoid_at(10, table))),
    }
    return found | {what: others[what] for what in (*COLUMNS, "neuron")}


def graded(counts, table):
    """By layer with graded input: picojoule as accumulates, and were each synop one multiply-accumulate."""
    return {
        layer["name"]: (
            layer_pj(layer, False, table)["synapse"],
            priced({"mac": layer["effective_synops_total"] / layer["samples"]}, table),
        )
        for layer in counts["layers"]
        if layer["input_kind"] == "graded"
    }


def first_steps(counts, steps, table):
    """The dense total of a network that stops after some of its timesteps; None where they were not told apart."""
    whole = counts["timesteps"]
    if steps == whole:
        return energy(counts, table)["total", "dense"]
    cut = {"layers": [], "neurons": [], "other_ops": [], "not_counted": counts["not_counted"]}
    for kind in ("layers", "neurons"):
        for part in counts[kind]:
            short = part | {"timesteps": part["timesteps"] * steps / whole}
            for name in ("effective_synops", "input_nonzero", "graded_acs", "spikes"):
                if part.get(f"{name}_total") is not None:
                    if part.get(f"{name}_by_timestep") is None:
                        return None
                    short[f"{name}_total"] = sum(part[f"{name}_by_timestep"][:steps])
            cut[kind].append(short)
    for other in counts["other_ops"]:
        operations = other["ops_per_sample"]
        if other["column"] == "readout":  # a mean over time: one addition less than timesteps, and one product or shift
            outputs, product = operations["add"] / (whole - 1), "mul" if steps & (steps - 1) else "shift"
            operations = {} if steps == 1 else {"add": outputs * (steps - 1), product: outputs}
        elif other["column"] != "encoder":
            operations = {name: n * steps / whole for name, n in operations.items()}
        cut["other_ops"].append(other | {"ops_per_sample": operations})
    return energy(cut, table)["total", "dense"]
