"""Our energy models beside those of others on drawn networks: `python benchmarks/conformance.py`.

Draws small random networks, counts and prices them with this package, asks SpikingJelly (extra `crosscheck`), Qualia's
formulas and SANA-FE (`pip install sanafe`, GPL-3.0, run in a process of its own) for the same, and prints how far they
agree and what the differences are made of. A peer that is not installed is named and left out. `--out FILE` writes the
page to a file.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from importlib import metadata
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"  # what it shares with the tests that hold the residuals at 0


def version_of(package: str, wanted: str) -> str:
    """Return the version that is there, or that the one whose rules are stated here is missing."""
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        return f"not installed ({wanted} is wanted)"
    return found if found == wanted else f"{found}, left out ({wanted} is wanted)"


def written(networks: int, chips: int) -> str:
    """Compare so many networks, and so many chips, with every peer that is installed; return the page."""
    from support.conforming import by_sanafe, by_spikingjelly, page, qualia, rows
    from support.conforming.networks import draw

    import bench

    drawn = [draw(seed) for seed in range(networks)]
    versions = {"spikebench": bench.__version__}
    versions["SpikingJelly"] = version_of("spikingjelly", by_spikingjelly.VERSION)
    versions["Qualia"] = f"as formulas (of its commit {qualia.COMMIT})"
    versions["SANA-FE"] = version_of("sanafe", by_sanafe.VERSION)
    found = []
    if versions["SpikingJelly"] == by_spikingjelly.VERSION:
        found += [(row, rows.comparisons(row, drawn)) for row in rows.SPIKINGJELLY]
    found += [(row, rows.comparisons(row, drawn)) for row in rows.QUALIA]
    if versions["SANA-FE"] == by_sanafe.VERSION:
        small = [draw(seed, chip=True) for seed in range(chips)]
        simulated = dict(zip(small, by_sanafe.by_sanafe(small), strict=True))
        row = rows.sanafe_row(simulated)
        found.append((row, rows.comparisons(row, small)))
    return page.page(found, versions, (networks, chips), datetime.date.today().isoformat())


def whole(text: str) -> int:
    """Return a number of networks. Raises ArgumentTypeError for one that no statement can be made of."""
    if not text.isdecimal() or not 3 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text}: should be a whole number from 3 to 10,000")
    return int(text)


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=whole, default=40, help="networks that are drawn")
    parser.add_argument("--chips", type=whole, default=12, help="networks that SANA-FE simulates, seconds each")
    parser.add_argument("--out", type=Path, help="the file that the page is written to")
    given = parser.parse_args()
    if given.out is not None and not given.out.parent.is_dir():
        parser.error(f"--out: {given.out.parent} is not a folder")
    sys.path.insert(0, str(TESTS))
    text = written(given.networks, given.chips)
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
