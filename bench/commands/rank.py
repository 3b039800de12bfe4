"""The verb `rank`: entries over several suites."""

from __future__ import annotations

from bench.commands.options import Suites, Trust, collect_seldom, load, out


def rank(suites: Suites, trust: Trust = False) -> None:
    """Rank the entries that several suites share, and say what the ranks establish."""
    from bench.report.evidence.comparison import compare
    from bench.report.evidence.ranks import rank as ranks_of
    from bench.report.formats.markdown import Markdown
    from bench.report.sections.ranks import ranked
    from bench.store.store import Store

    collect_seldom()
    loaded, store = load(suites, trust), Store()
    out.print(Markdown().blocks(ranked(ranks_of([compare(suite, store.collect(suite)) for suite in loaded]))))
