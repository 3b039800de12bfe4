"""The 8x8 digits that come with scikit-learn: 1,797 images, no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch

from bench.data.base import Arrays, Dataset, Split
from bench.errors import DataError

# The images of the test split. They were drawn once, stratified by class, by scikit-learn's train_test_split with
# random_state 0; as they stand here, the split does not depend on its version.
_TEST = """
    21 24 28 34 35 37 39 42 45 51 57 77 78 81 87 96 99 102 103 105 110 117 119 131 132 134 148 159 170 173 186 188 197
    198 202 204 205 211 214 227 240 243 245 252 254 264 267 275 276 279 283 286 293 298 304 305 306 307 308 312 314
    326 328 335 339 344 346 364 372 374 376 380 386 393 397 403 405 407 410 413 417 420 423 425 430 433 440 442 452
    454 481 493 496 497 499 500 520 527 528 538 553 556 565 567 568 569 573 587 593 604 608 610 619 637 639 641 649
    652 666 667 675 694 700 701 702 704 705 709 716 719 734 738 741 744 749 760 766 767 768 770 772 783 786 787 788
    789 794 800 802 805 806 808 811 812 820 822 852 854 855 860 865 876 885 888 890 899 900 905 908 918 926 929 937
    943 944 945 951 960 973 977 985 989 990 992 997 1002 1003 1005 1006 1007 1009 1010 1012 1014 1016 1023 1030 1035
    1037 1038 1049 1053 1056 1073 1081 1086 1088 1090 1096 1098 1101 1107 1108 1116 1118 1121 1123 1136 1141 1148 1150
    1151 1152 1157 1159 1161 1162 1167 1168 1169 1173 1174 1180 1187 1192 1204 1217 1220 1221 1224 1232 1233 1242 1253
    1261 1262 1264 1268 1269 1270 1287 1292 1296 1302 1312 1319 1330 1331 1332 1340 1350 1351 1352 1353 1364 1371 1372
    1375 1395 1404 1405 1406 1415 1424 1429 1435 1440 1442 1450 1455 1466 1467 1470 1471 1474 1476 1482 1484 1487 1493
    1496 1497 1505 1509 1512 1513 1520 1529 1530 1532 1540 1541 1542 1551 1558 1560 1566 1567 1576 1582 1592 1596 1602
    1606 1608 1610 1613 1614 1617 1626 1628 1629 1634 1637 1645 1650 1655 1660 1664 1666 1668 1673 1674 1680 1688 1691
    1696 1703 1704 1706 1716 1717 1726 1728 1734 1742 1745 1750 1755 1758 1767 1770 1771 1772 1776 1778 1781 1787 1789
    1791
"""


class Digits(Dataset):
    """Handwritten digits, 8x8 grey, 1,437 to train and 360 to test, in scikit-learn (no download).

    Grey levels 0..16 are stored as round(255 * level / 16), so that they take the path of every other image set; no
    pixel moves by more than 1/510 of the range. The split is fixed, stratified by class, and the same for every seed.
    Source: Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (its test part).
    """

    name = "digits"
    in_channels = 1
    classes = 10
    image_size = (8, 8)
    train_samples = 1437
    test_samples = 360
    mean = (0.3054,)
    std = (0.3760,)

    def load(self, root: Path, *, offline: bool) -> Arrays:
        """Return the data set; `root` and `offline` are not needed.

        Raises DataError where scikit-learn is there without its data.
        """
        rows = np.loadtxt(_file(), delimiter=",", dtype=np.int64)
        levels = rows[:, :-1].reshape(-1, 1, *self.image_size)
        images = torch.from_numpy(np.rint(levels * (255 / 16)).astype(np.uint8))
        everything = Split(images, torch.from_numpy(rows[:, -1].copy()))
        tested = np.zeros(len(rows), dtype=bool)
        tested[np.array(_TEST.split(), dtype=np.int64)] = True
        train, test = (everything.subset(torch.from_numpy(np.flatnonzero(part))) for part in (~tested, tested))
        return self.arrays(train, test, "scikit-learn's digits")


def _file() -> Path:
    """Find the file that scikit-learn's `load_digits` reads; importing scikit-learn for it takes seconds."""
    package = importlib.util.find_spec("sklearn")
    folders = [] if package is None else map(Path, package.submodule_search_locations or [])
    for folder in folders:
        path = folder / "datasets" / "data" / "digits.csv.gz"
        if path.exists():
            return path
    raise DataError(
        "the data set 'digits' is a file of scikit-learn, datasets/data/digits.csv.gz, which is not installed: "
        "run `pip install --force-reinstall scikit-learn`"
    )
