"""The 8x8 digits that come with scikit-learn: 1,797 images, no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bench.data.base import Arrays, Dataset, Split


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
        """Return the data set; `root` and `offline` are not needed."""
        # Imported here because it takes a second, and whoever only checks a suite loads nothing.
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        images = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8)).unsqueeze(1)
        everything = Split(images, torch.from_numpy(digits.target.astype(np.int64)))
        train, test = train_test_split(
            np.arange(len(everything)), test_size=self.test_samples, random_state=0, stratify=digits.target
        )
        first, second = (everything.subset(torch.from_numpy(np.sort(part))) for part in (train, test))
        return self.arrays(first, second, "scikit-learn's digits")
