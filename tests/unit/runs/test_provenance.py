"""Where a record says that it comes from."""

from support.runs import RUN

from bench.runs.provenance import code_digest, digests, of_run, training_digest

BEGUN = {"training": "t", "commit": "a", "device": "H100", "versions": {"torch": "2"}}


def test_weights_of_older_code_make_an_older_record():
    today = training_digest(RUN.spec)
    assert digests(RUN.spec, today) == {"training": today, "code": code_digest(RUN.spec)}
    assert digests(RUN.spec, "older") == {"training": "older", "code": "older"}


def test_what_was_measured_elsewhere_says_so():
    here = BEGUN | {"commit": "b", "device": "cpu"}
    told = {"commit": "a", "device": "H100", "versions": {"torch": "2"}, "path": "plain, then fused"}
    assert of_run(BEGUN, BEGUN, ["plain", "fused"], None) == told
    assert of_run(BEGUN, here, ["plain", "fused"], "slow") == told | {
        "measured": {"commit": "b", "device": "cpu"},
        "warning": "slow",
    }
