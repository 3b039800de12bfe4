"""What a suite tests without its time, and the section that says so, recomputed from records with no code of ours."""

from support.recomputed import Row, accuracy, compared, verdict
from support.recomputed_cells import fixed

HEADING = "Does this task need time?"
HOW = {
    "shuffled": "frames shuffled",
    "merged": "frames merged",
    "space": "trained with the gradient through space alone",
}


def _gradient(spec, entry):
    return entry.get("train", {}).get("gradient", spec["train"].get("gradient", "time"))


def _else(entry):
    """What an entry is but for its label, what is told or tested of it, and its gradient."""
    told = ("label", "unmatched", "tested", "deploy", "expect", "tuned")
    rest = {key: value for key, value in entry.items() if key not in told}
    train = {key: value for key, value in rest.pop("train", {}).items() if key != "gradient"}
    return {"encoder": {"name": "direct"}} | rest | ({"train": train} if train else {})


def time_tests(spec, rows):
    """(row without time, row as trained, how): of each entry its other frames, then its twins by the gradient."""
    by_label = {row.label: row for row in rows}
    for entry in spec["entries"]:
        own = by_label[entry["label"]]
        for frames in entry.get("tested", ()):
            runs = {
                seed: run | next(each for each in run["tested"] if each["frames"] == frames)
                for seed, run in own.runs.items()
            }
            yield Row(f"{own.label} on {frames} frames", own.timesteps, own.planned, runs), own, frames
        for twin in spec["entries"]:
            if [_gradient(spec, each) for each in (entry, twin)] == ["time", "space"] and _else(entry) == _else(twin):
                yield by_label[twin["label"]], own, "space"


def compare_time(reckoned):
    """Compare the section with the records; there is none where nothing is tested."""
    tests, tables = list(time_tests(reckoned.spec, reckoned.rows)), reckoned.page.get((HEADING,), [])
    if not tests and not tables:
        return
    ((table,), count) = tables, len(reckoned.contrasts)
    expected = []
    for row in reckoned.rows:
        found = [test for test in tests if test[1] is row]
        expected += [(row, row, "as trained"), *((one, own, HOW[how]) for one, own, how in found)] if found else []
    for at, row in reckoned.named(table, [row for row, _, _ in expected]):
        _, own, words = expected[at]
        reckoned.checked.words(table, at, 1, words)
        reckoned.mean_and_sd(table, at, 2, accuracy(row).values())
        reckoned.checked.words(table, at, 3, str(len(row.runs)))
        if row is not own:
            n, centre, _, ends, _ = compared(row, own, count)
            reckoned.checked.cell(table, at, 4, "{}", fixed(centre))
            between = ("{}", fixed(None)) if ends is None else ("{} to {}", *map(fixed, ends))
            reckoned.checked.cell(table, at, 5, *between)
            reckoned.checked.words(table, at, 6, verdict(n, ends, reckoned.margin))
