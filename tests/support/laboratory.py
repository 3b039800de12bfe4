"""A distribution of somebody else's, written into a folder: its package, and the metadata that brings its plug-ins."""

SURROGATE = '''"""A wide surrogate."""

from bench.neurons import Surrogate


class Wide(Surrogate):
    """h(x) = [|x| <= 1] / 2: width 2."""

    @staticmethod
    def derivative(x):
        """Return h(x)."""
        return (x.abs() <= 1).to(x.dtype) / 2
'''

NEURON = '''"""A neuron of their own."""

from bench.neurons.lif import LIF


class Lazy(LIF):
    """As LIF, with a high threshold."""

    def __init__(self, *, threshold: float = 2.0, surrogate: str = "rectangle") -> None:
        super().__init__(threshold=threshold, surrogate=surrogate)
'''

RULE = '''"""A rule without memory accesses: one operation per synop, whatever it is."""

from bench.energy.rules.base import Rule
from bench.energy.work import Work


class Synops(Rule):
    """An accumulate per synop, and nothing for neurons."""

    def layer(self, layer, zero_skipping, memory):
        """Return the accumulates."""
        return Work({"ac": layer.effective_synops_per_sample})

    def neuron(self, neuron, memory):
        """Return no work."""
        return Work({})
'''

TABLE = """title = "Theirs"
source = "measured"
node_nm = 7
precision = "int4"
scope = "compute"
operation_pj = { ac = 2.0 }
memory = { accesses = "RULE", word_bits = 8 }
"""


def write_package(folder, package, files):
    """Write a package of these files, paths relative to it; importing it leaves a trace in `folder`."""
    for name, text in {"__init__.py": f"open({str(folder / 'imported')!r}, 'w').close()\n", **files}.items():
        path = folder / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_distribution(folder, name, groups):
    """Write the metadata of distribution `name` 1.0: group, as `neurons` -> name -> value."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[spikebench.{group}]", *(f"{point} = {value}" for point, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
