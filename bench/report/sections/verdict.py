"""The sentences at the top of a report, generated from the numbers and honest whichever way they fall."""

from __future__ import annotations

from bench.energy.status import in_numbers
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.crossed import Difference
from bench.report.evidence.decisions import judge
from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Bullets, Paragraph
from bench.report.formats.inline import Inline, Said, Strong, Text, join, text
from bench.report.formats.text import fixed, joined
from bench.report.sections import needs_time
from bench.report.sections.cells import any_done, interval_words, label
from bench.report.sections.cost_table import hybrid, lacking
from bench.report.sections.energy_sentences import energy_sentences
from bench.report.sections.match import unmatched_runs
from bench.report.sections.soundness import what_was_seen


def section(evidence: Evidence) -> list[Block]:
    """Return one bullet per entry: accuracy, energy under the first table, what is wrong; of the baseline the last."""
    comparison = evidence.comparison
    if not any_done(comparison):
        return [Paragraph("No run of this suite has finished: there is nothing to compare yet.")]
    time = needs_time.sentence(comparison)
    about_time = [] if time is None else [Paragraph(time)]
    if not comparison.others:
        nothing = "The suite has no entry beside its baseline: there is nothing to compare."
        contrasts = _contrasts(comparison)
        return [Bullets(contrasts) if contrasts else Paragraph(nothing), *about_time]
    if not comparison.baseline.done:
        base = Strong(label(comparison.baseline))
        without = text("No run of the baseline ", base, " has finished: nothing can be compared with it.")
        contrasts = _contrasts(comparison)
        return [Paragraph(without), *([Bullets(contrasts)] if contrasts else []), *about_time]
    about = (_about(evidence, entry) for entry in comparison.others)
    bullets = Bullets([*_about_baseline(comparison), *about, *_contrasts(comparison)])
    return [bullets, *about_time, _rests_on(evidence)]


def _rests_on(evidence: Evidence) -> Block:
    """Say once what the prices of the first table rest on."""
    table = evidence.leading.table
    tables = [each for each in (table, table.rest_table) if each is not None]
    clauses = (text("of ", Said(each.name), f": {in_numbers(each.statuses)}") for each in tables)
    who: list[Inline] = [] if table.rest_table is None else [" ", Said(hybrid(table, table.rest_table))]
    lacks = f"{lacking(table)} No table prices time, which T timesteps take one after another, nor what finds zeros."
    return Paragraph(text("Prices ", join("; ", clauses), ".", *who, " ", Said(lacks)))


def _contrasts(comparison: Comparison) -> list[Text]:
    """Say what is established between entries that the suite compares beside the baseline."""
    margin, named = comparison.suite.spec.margin_points, comparison.suite.spec.contrasts
    contrasts = [
        text(Strong(Said(one)), " ", _accuracy_clause(Said(other), found, margin), ".")
        for (one, other), found in comparison.contrasts.items()
        if [one, other] in named
    ]
    return contrasts + [_gain(*pairs, found, margin) for pairs, found in comparison.interactions.items()]


def _gain(pair: tuple[str, str], than: tuple[str, str], difference: Difference, margin: float) -> Text:
    """Say whether the difference between two entries is larger than that between two others."""
    (one, other), (third, fourth) = pair, than
    who = Strong(text(Said(one), " - ", Said(other)))
    base = text(Said(third), " - ", Said(fourth))
    if difference.mean is None:
        return text(who, " has no finished seed with ", base, " on the same test samples: they cannot be compared.")
    found = judge(difference, margin)
    numbers = f": {fixed(difference.mean, sign=True)} points ({interval_words(difference)})."
    if found.direction is not None:
        words = "larger" if found.direction == "better" else "smaller"
        though = f", though equal within {margin:g} points" if found.as_accurate else ""
        return text(who, f" in accuracy is {words} than ", base, though, numbers)
    if found.as_accurate:
        return text(who, " in accuracy is as large as ", base, f" within {margin:g} points", numbers)
    open_ = f" is not established at n = {difference.n}"
    return text(who, " against ", base, f": whether it is larger or smaller in accuracy{open_}", numbers)


def _about_baseline(comparison: Comparison) -> list[Text]:
    """Say what is wrong with the baseline; nothing of one that is sound."""
    baseline = comparison.baseline
    if baseline.sound:
        return []
    name = Strong(label(baseline))
    return [text(name, ", the baseline, is not sound: ", what_was_seen(baseline), ". No energy is compared with it.")]


def _about(evidence: Evidence, entry: Entry) -> Text:
    comparison, name = evidence.comparison, Strong(label(entry))
    if not entry.done:
        statuses = joined(slot.status for slot in entry.slots)
        return text(name, f": no run has finished ({statuses}); nothing can be said about it.")
    difference, base = comparison.differences[entry.label], label(comparison.baseline)
    sentences = [
        text(name, " ", _accuracy_clause(base, difference, comparison.suite.spec.margin_points), "."),
        *energy_sentences(evidence, entry),
        *_caveats(comparison, entry),
    ]
    return join(" ", sentences)


def _accuracy_clause(base: Inline, difference: Difference, margin: float) -> Text:
    """Say what is established about an entry's accuracy, continuing a sentence that begins with its label."""
    if difference.mean is None:
        return text("has no finished seed with ", base, " on the same test samples: its accuracy cannot be compared")
    found = judge(difference, margin)
    numbers = f": {fixed(difference.mean, sign=True)} points ({interval_words(difference)})"
    within = f" within {margin:g} points"
    though = f", though equal{within}" if found.as_accurate else ""
    if found.direction == "better":
        return text("is more accurate than ", base, though, numbers)
    if found.direction == "worse":
        return text("is less accurate than ", base, though, numbers)
    if found.as_accurate:
        return text("is as accurate as ", base, within, numbers)
    return text("against ", base, f": a difference in accuracy is not established at n = {difference.n}", numbers)


def _caveats(comparison: Comparison, entry: Entry) -> list[Inline]:
    found: list[Inline] = []
    if len(entry.done) < len(entry.slots):
        found.append(f"Only {len(entry.done)} of its {len(entry.slots)} runs have finished.")
    found += _left_out(comparison, entry)
    silent = joined(layer.name for record in entry.done for layer in record.layers if layer.silent)
    if silent:
        found.append(text("Layers that never saw a spike (", Said(silent), ") are broken, not cheap."))
    if entry.spec.unmatched:
        found.append(text("It is not matched by declaration: ", Said(joined(entry.spec.unmatched)), "."))
    if entry.label in {label for label, _ in unmatched_runs(comparison)}:
        found.append("Its initial weights or sample order are not the baseline's: see Match.")
    uncounted = joined(name for record in entry.done for name in record.not_counted)
    if uncounted:
        found.append(text("Not in its counts: ", Said(uncounted), "."))
    return found


def _left_out(comparison: Comparison, entry: Entry) -> list[Inline]:
    """Name finished seeds of an entry and the baseline that are not in their comparison."""
    both = {record.seed for record in entry.done} & {record.seed for record in comparison.baseline.done}
    missing = sorted(both - set(comparison.differences[entry.label].seeds))
    if not missing or comparison.differences[entry.label].mean is None:
        return []
    which = f"Seed{'s' if len(missing) > 1 else ''} {joined(map(str, missing))}"
    whose = "the baseline's" if comparison.resampled else "those of the other seeds"
    return [f"{which}: not compared, as the test samples are not {whose}."]
