"""Tables of a written report, and whether a cell says a number that was reckoned apart."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

NUMBER = r"[+-]?[\d,]+(?:\.\d+)?(?:e[+-]\d+)?"
SIZES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12}
PLACES = {"{}": f"({NUMBER}|n/a)", "{x}": f"({NUMBER}×|n/a)"}
SLACK = 1e-9  # of a value, for the order of additions


def unit_of(heading):
    """The size of the unit in a heading, as `k` of `synops, k` or `µJ` of `entry, µJ per sample`."""
    words = re.findall(r", ([kMG]|[pnµm]?J)\b", heading)
    return SIZES[words[-1] if words else ""]


@dataclass
class Table:
    """A table as printed: cells by row and column, and which of them were compared and found to disagree."""

    header: list
    rows: list
    compared: set = field(default_factory=set)
    wrong: set = field(default_factory=set)
    between: set = field(default_factory=set)  # cells of a number half-way between two roundings

    def column(self, start):
        """The one column whose heading starts so."""
        (found,) = [at for at, heading in enumerate(self.header) if heading.startswith(start)]
        return found

    @property
    def left_over(self):
        """Cells with something in them, behind the first column, that nobody has compared."""
        cells = {(r, c) for r, row in enumerate(self.rows) for c, text in enumerate(row) if c and text}
        return cells - self.compared


def tables_of(text):
    """The tables of a markdown page by headings: {("Energy", "lemaire"): [Table, ...]}."""
    found, path, fenced = defaultdict(list), ("",), False
    for line in [*text.splitlines(), ""]:
        fenced ^= line.startswith("```")
        if not fenced and (heading := re.match(r"(#{2,3}) (.*)", line)):
            path = (heading[2],) if heading[1] == "##" else (path[0], heading[2])
        if not line.startswith("|"):
            block = []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not block:
            found[path].append(Table(cells, []))
        elif len(block) > 1:
            found[path][-1].rows.append(cells)
        block.append(line)
    return dict(found)


@dataclass(frozen=True)
class Number:
    """A number that was reckoned and how it is to be printed: significant digits, or else decimals."""

    value: float | None
    digits: int | None = None
    decimals: int | None = None

    def in_text(self, text):
        """Whether `text` says this number, within half a unit of its last digit and with as many digits as promised."""
        text = text.removesuffix("×")
        if self.value is None or text == "n/a":
            return self.value is None and text == "n/a"
        if not re.fullmatch(NUMBER, text):
            return False
        mantissa, _, exponent = text.replace(",", "").partition("e")
        places = len(mantissa.partition(".")[2])
        said, slack = float(text.replace(",", "")), SLACK * abs(self.value)
        if self.decimals is not None:
            return places >= self.decimals and abs(said - self.value) <= 0.5 * 10.0**-places + slack
        if abs(said - self.value) <= slack:
            return True
        if exponent:
            return (
                places == self.digits - 1 and abs(said - self.value) <= 0.5 * 10.0 ** (int(exponent) - places) + slack
            )
        enough = len(mantissa.lstrip("+-0.").replace(".", "")) >= self.digits
        return enough and abs(said - self.value) <= 0.5 * 10.0**-places + slack

    def is_between(self, text):
        """Whether it lies half-way between what `text` says and the next number with as many digits."""
        mantissa, _, exponent = text.removesuffix("×").replace(",", "").partition("e")
        if self.value is None or not re.fullmatch(NUMBER, text.removesuffix("×")):
            return False
        half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        said = float(text.removesuffix("×").replace(",", ""))
        return abs(abs(said - self.value) - half) <= SLACK * abs(self.value)


def sig(value, size=1.0, digits=4):
    """A number with four significant digits, in a unit of this size."""
    return Number(None if value is None else value / size, digits)


def times(value):
    """A ratio, of three digits."""
    return sig(value, digits=3)


def fixed(value, decimals=2):
    """A number with decimals."""
    return Number(value, decimals=decimals)


@dataclass
class Checked:
    """What was compared, by table, and what disagrees."""

    cells: int = 0
    disagreements: list = field(default_factory=list)

    def cell(self, table, row, column, template, *numbers):
        """Compare a cell with a template whose `{}` stand for numbers and `{x}` for ratios, or for n/a."""
        text = table.rows[row][column]
        table.compared.add((row, column))
        self.cells += 1
        pattern = "".join(PLACES.get(part, re.escape(part)) for part in re.split(r"(\{x?\})", template))
        match = re.fullmatch(pattern, text)
        said = [] if match is None else match.groups()
        if any(number.is_between(part) for number, part in zip(numbers, said, strict=False)):
            table.between.add((row, column))
        if match is None or not all(number.in_text(part) for number, part in zip(numbers, said, strict=True)):
            values = [number.value for number in numbers]
            table.wrong.add((row, column))
            where = f"row {table.rows[row][0]!r}, column {table.header[column]!r}"
            self.disagreements.append(f"{where}: says {text!r}, should be {template!r} of {values}")

    def words(self, table, row, column, expected):
        """Compare a cell of words."""
        text = table.rows[row][column]
        table.compared.add((row, column))
        self.cells += 1
        if text != expected:
            table.wrong.add((row, column))
            where = f"row {table.rows[row][0]!r}, column {table.header[column]!r}"
            self.disagreements.append(f"{where}: says {text!r}, should be {expected!r}")
