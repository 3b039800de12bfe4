"""One bit per test sample, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError
from bench.records.correct import pack_correct, unpack_correct


@given(st.lists(st.booleans(), max_size=40))
def test_packing_round_trips(bits):
    assert unpack_correct(pack_correct(np.array(bits, dtype=bool)), len(bits)).tolist() == bits


def test_the_first_sample_is_the_highest_bit():
    assert pack_correct(np.array([True] + [False] * 7)) == "gA=="
    assert unpack_correct("gAE=", 16).nonzero()[0].tolist() == [0, 15]


@pytest.mark.parametrize("packed", ["AAA=", "no base64!", "AA=="])
def test_bits_of_a_wrong_length_or_kind_are_an_error(packed):
    with pytest.raises(RecordError, match="run the suite again"):
        unpack_correct(packed, 20)
