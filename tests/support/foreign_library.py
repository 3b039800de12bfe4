"""Other libraries, which are optional: a test that asks for one that is not installed is skipped and says so."""

import importlib
import warnings

import pytest

EXTRAS = {"nir": "nir", "snntorch": "crosscheck", "spikingjelly": "crosscheck", "timm": "crosscheck"}


def library(name):
    """Import a module of another library, or skip the test that asks for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library warns about at import is its own affair
        try:
            return importlib.import_module(name)
        except ImportError as error:
            package = name.partition(".")[0]
            extra = EXTRAS.get(package)
            of = f"extra '{extra}'" if extra else "of no extra"
            pytest.skip(f"{package} is needed ({of}): {error}")
