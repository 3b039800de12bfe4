"""What a suite file may say, what is wrong with it, and which runs it stands for."""

from pathlib import Path

import pytest
from support.suites import TEXT, problems

from bench.energy.table import load_table
from bench.errors import BenchError
from bench.runs.provenance import resolve_parameters
from bench.suite.load import load_suite

SUITES = sorted((Path(__file__).parents[3] / "suites").glob("*.toml"))


def keys(path):
    return {(run.label, run.seed): run.key for run in load_suite(path).runs}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_in_the_repository_is_valid(path):
    suite = load_suite(path)
    assert suite.name == path.stem
    assert len(suite.runs) == len(suite.spec.entries) * len(suite.spec.seeds)
    assert len({run.key for run in suite.runs}) == len(suite.runs)


def test_runs_come_entry_by_entry_and_seed_by_seed(write):
    suite = load_suite(write())
    assert [(run.label, run.seed) for run in suite.runs] == [("ANN", 0), ("ANN", 1), ("LIF", 0), ("LIF", 1)]
    assert [run.seed for run in suite.select(label="LIF")] == [0, 1]
    with pytest.raises(BenchError, match="no entry 'LIFE'; did you mean 'LIF'"):
        suite.select(label="LIFE")
    with pytest.raises(BenchError, match="no seed 7; known: 0, 1"):
        suite.select(seed=7)


def test_label_title_and_comments_change_no_key(write):
    before = keys(write())
    after = keys(write(title=('"Tiny"', '"Other"  # why'), label=('label = "LIF"', 'label = "Leaky"')))
    assert sorted(before.values()) == sorted(after.values())


def test_changing_tau_changes_that_entry_alone(write):
    before, after = keys(write()), keys(write(tau=("tau = 2.0", "tau = 3.0")))
    assert {pair for pair in before if before[pair] != after[pair]} == {("LIF", 0), ("LIF", 1)}


def test_integers_and_equal_floats_are_one_number(write):
    assert keys(write()) == keys(write(tau=("tau = 2.0", "tau = 2")))
    assert keys(write()) == keys(write(rate=("0.1 }", "0.10 }")))


def test_defaults_of_the_schema_written_out_change_no_key(write):
    written = write(
        schedule=("batch_size = 64", 'batch_size = 64\nprecision = "fp32"\nschedule = { name = "constant" }')
    )
    assert keys(write()) == keys(written)


def test_raising_the_version_makes_every_run_new(write):
    before, after = keys(write()), keys(write(version=('title = "Tiny"', 'title = "Tiny"\nversion = 2')))
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize("option", ["samples = 100", "diagnostics = true"])
def test_measuring_otherwise_keeps_the_run_and_changes_its_measure_key(write, option):
    one = load_suite(write())
    two = load_suite(write(measure=("[train]", f"measure = {{ {option} }}\n[train]")))
    assert [run.key for run in one.runs] == [run.key for run in two.runs]
    assert all(a.measure_key != b.measure_key for a, b in zip(one.runs, two.runs, strict=True))


def test_resolved_parameters_hold_the_constructors_defaults(write):
    run = load_suite(write()).select("LIF", 0)[0]
    resolved = resolve_parameters(run.spec)
    assert resolved["neuron"]["tau"] == 2.0 and resolved["neuron"]["threshold"] == 1.0
    assert resolved["neuron"]["surrogate"] == "rectangle"
    assert resolved["model"]["width"] == 8


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "batch_size = 64",
            'batch_size = 64\nprecison = "fp32"',
            "train.precison: unknown key; did you mean 'precision'?",
        ),
        ('name = "lif"', 'name = "lift"', "entries[1] (LIF).neuron.name: unknown neuron 'lift'; did you mean 'lif'?"),
        ("tau = 2.0", "tua = 2.0", "entries[1] (LIF).neuron.tua: unknown key; did you mean 'tau'?"),
        ("tau = 2.0", 'tau = "two"', "entries[1] (LIF).neuron.tau: should be float, not str"),
        ("epochs = 2", 'epochs = "two"', "train.epochs: should be a valid integer, not 'two'"),
        ("timesteps = 4", "timesteps = 0", "entries[1] (LIF).timesteps: should be greater than or equal to 1, not 0"),
        ("timesteps = 4", "timesteps = -4", "entries[1] (LIF).timesteps: should be greater than or equal to 1, not -4"),
        ('label = "LIF"', 'label = "ANN"', "entries: 2 entries are labelled 'ANN'; give each its own label"),
        ('baseline = "ANN"', 'baseline = "ANNE"', "baseline: no entry 'ANNE'; did you mean 'ANN'?"),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ncontrasts = [["LIF", "LFI"]]',
            "contrasts[0]: no entry 'LFI'; did you mean 'LIF'?",
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ncontrasts = [["LIF as clif", "LIF"]]',
            "contrasts[0]: no entry 'LIF as clif'",  # LIF deploys nothing
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ncontrasts = [["LIF", "LIF"]]',
            "contrasts[0]: 'LIF' is compared with itself",
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ncontrasts = [["LIF", "ANN"]]',
            "contrasts[0]: every entry is compared with the baseline anyway; leave the pair out",
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ninteractions = [[["LIF", "ANN"], ["ANN", "LFI"]]]',
            "interactions[0]: no entry 'LFI'; did you mean 'LIF'?",
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ninteractions = [[["LIF", "ANN"], ["LIF", "ANN"]]]',
            "interactions[0]: 'ANN' is added and taken away, which leaves a contrast or nothing",
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ninteractions = [[["LIF", "ANN"], ["ANN", "LIF"]]]',
            "interactions[0]: this is 'LIF' minus 'ANN' twice; name the pair in `contrasts`",
        ),
        (
            "seeds = [0, 1]",
            'seeds = [0, 1]\ninteractions = [[["LIF", "ANN"]]]',
            "interactions[0]: List should have at least 2 items after validation, not 1",
        ),
        ('name = "digits" }', 'name = "digit" }', "dataset.name: unknown dataset 'digit'; did you mean 'digits'?"),
        ('"convnet"', '"convnext"', "model.name: unknown model 'convnext'; did you mean 'convnet'?"),
        ("width = 8", "widht = 8", "model.widht: unknown key; did you mean 'width'?"),
        ('name = "sgd"', 'name = "sdg"', "train.optimizer.name: 'sdg' is not a choice; did you mean 'sgd'?"),
        ("horowitz-fp32", "horowitz-fp23", "energy[0]: unknown table 'horowitz-fp23'; did you mean 'horowitz-fp32'?"),
        ("seeds = [0, 1]", "seeds = []", "seeds: List should have at least 1 item after validation, not 0, not []"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "seeds: a seed stands twice in [0, 0]"),
        (
            '"horowitz-fp32"',
            '"odin+horowitz-int8-acc32", "odin"',
            "energy[1]: 'odin' is 'odin+horowitz-int8-acc32', which stands there already",
        ),
        (
            "learning_rate = 0.1",
            "learning_rate = nan",
            "train.optimizer.learning_rate: should be a finite number, not nan",
        ),
        ('name = "tiny"', 'name = "../tiny"', "name: should be lower-case letters, digits and hyphens, not '../tiny'"),
        ('label = "LIF"', 'label = "L|F"', "entries[1] (L|F).label: should hold no control characters and none of |"),
        (
            '{ name = "lif", tau = 2.0 }',
            '"lif"',
            "entries[1] (LIF).neuron: should be a table of keys and values, not 'lif'",
        ),
        ("tau = 2.0", "tau = inf", "entries[1] (LIF).neuron.tau: should be a finite number, not inf"),
        ("timesteps = 4", "timesteps = 4\nencoder = { name = 'direkt' }", "encoder.name: unknown encoder 'direkt'"),
    ],
)
def test_each_problem_says_where_what_and_what_instead(write, old, new, expected):
    found = problems(write(change=(old, new)))
    assert len(found) == 1
    assert expected in found[0]


def test_all_problems_come_at_once(write):
    found = problems(
        write(
            a=("epochs = 2", "epoch = 2"),
            b=('name = "lif"', 'name = "lift"'),
            c=("timesteps = 4", "timesteps = 0"),
            d=("width = 8", "wide = 8"),
        )
    )
    assert len(found) == 5  # `epochs` is missing as well
    assert "train.epochs: missing" in found


def test_problems_of_every_kind_come_at_once(write):
    found = problems(
        write(
            a=("timesteps = 4", "timesteps = 0"),
            b=('baseline = "ANN"', 'baseline = "XNN"'),
            c=("horowitz-fp32", "horowitz-fp23"),
            d=('name = "lif"', 'name = "lift"'),
            e=('title = "Tiny"', 'title = "Tiny"\nsmaller = "nonsense"'),
        )
    )
    assert [line.split(":")[0] for line in found] == [
        "entries[1] (LIF).timesteps",
        "entries[1] (LIF).neuron.name",
        "baseline",
        "energy[0]",
        "smaller",
    ]


@pytest.mark.parametrize(
    ("override", "unmatched", "expected"),
    [
        ("train = { epoch = 3 }", "train.epoch", "train.epoch: unknown key; did you mean 'epochs'?"),
        (
            "train = { optimizer = { lerning_rate = 1.0 } }",
            "train.optimizer.lerning_rate",
            "train.optimizer.lerning_rate: unknown key; did you mean 'learning_rate'?",
        ),
        ("model = { widht = 3 }", "model.widht", "model.widht: unknown key; did you mean 'width'?"),
    ],
)
def test_a_misspelt_key_in_an_override_is_found(write, override, unmatched, expected):
    change = ("timesteps = 4", f'timesteps = 4\n{override}\nunmatched = ["{unmatched}"]')
    assert expected in problems(write(a=change))[0]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ('loss = { name = "mse", label_smoothing = 0.1 }', "label_smoothing belongs to ce and tet"),
        ('loss = { name = "ce", mse_target = 0.5 }', "mse_weight and mse_target belong to tet"),
        ('schedule = { name = "cosine", warmup_epochs = 2 }', "training ends at 2"),
        ('schedule = { name = "step", milestones = [1, 5] }', "changes in epoch 5"),
        ('schedule = { name = "cosine", warmup_fraction = 0.5 }', "belongs to one-cycle"),
        ('schedule = { name = "step" }', "it needs them"),
        ('schedule = { name = "one-cycle", warmup_epochs = 1 }', "leave warmup_epochs out"),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(write, recipe, expected):
    assert expected in problems(write(a=("batch_size = 64", f"batch_size = 64\n{recipe}")))[0]


def test_numbers_beyond_reason_are_refused(write):
    for old, new in (("tau = 2.0", f"tau = 1{'0' * 400}"), ("width = 8", f"width = 1{'0' * 12}")):
        assert "is out of range" in problems(write(a=(old, new)))[0]
    assert "not valid TOML" in problems(write(a=('title = "Tiny"', f'title = "Tiny"\nversion = {"9" * 5000}')))[0]


def test_an_entry_may_break_the_match_only_by_declaring_it(write):
    change = ("timesteps = 4", "timesteps = 4\ntrain = { epochs = 5 }")
    assert 'unmatched = ["train.epochs"]' in problems(write(a=change))[0]
    declared = (change[0], change[1] + '\nunmatched = ["train.epochs"]')
    suite = load_suite(write(a=declared))
    assert [run.spec.train.epochs for run in suite.runs] == [2, 2, 5, 5]
    assert suite.runs[2].spec.train.batch_size == 64


def test_a_declared_difference_must_exist(write):
    found = problems(write(a=("timesteps = 4", 'timesteps = 4\nunmatched = ["train.epochs"]')))
    assert "'train.epochs' is not changed by this entry" in found[0]


def test_an_override_is_checked_like_the_rest(write):
    override = 'timesteps = 4\ntrain = { epochs = 0 }\nunmatched = ["train.epochs"]'
    assert "train.epochs: should be greater than or equal to 1" in problems(write(a=("timesteps = 4", override)))[0]


def test_two_entries_that_are_the_same_run_are_refused(write):
    twin = TEXT + '\n[[entries]]\nlabel = "Again"\nneuron = { name = "lif", tau = 2 }\ntimesteps = 4\n'
    assert "'LIF' and 'Again' are the same run" in problems(write(twin))[0]


def test_files_that_are_no_suites(tmp_path):
    cases = {
        "empty.toml": (b"", "is empty; a suite needs name"),
        "binary.toml": (bytes(range(256)), "not a text file"),
        "broken.toml": (b"name = [", "not valid TOML"),
        "big.toml": (b"#" * 200_001, "larger than 200 kB"),
        "deep.toml": (b"a = " + b"[" * 5000, "not valid TOML"),
    }
    for name, (content, expected) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        found = problems(path)
        assert len(found) == 1 and expected in found[0]
    (tmp_path / "folder.toml").mkdir()
    assert "cannot be read" in problems(tmp_path / "folder.toml")[0]
    missing = problems(tmp_path / "emty.toml")
    assert missing == [f"no such file; did you mean '{tmp_path / 'empty.toml'}'?"]


def test_an_ann_is_not_charged_for_timesteps_of_a_repeated_image(write):
    text = TEXT.replace("timesteps = 1", "timesteps = 4")
    [problem] = problems(write(text))
    assert problem.startswith("entries[0] (ANN).timesteps: a network that does not spike computes the same at every")
    varied = write(text.replace("timesteps = 4", 'timesteps = 4\nencoder = { name = "rate" }', 1))
    assert load_suite(varied).runs[0].spec.timesteps == 4


EVENTS = TEXT.replace('{ name = "digits" }', '{ name = "n-mnist", partial = true }')


def frames(text, ann="frames", lif="frames", timesteps=4):
    """The suite with these encoders, the ANN at so many timesteps."""
    return text.replace("timesteps = 1", f'timesteps = {timesteps}\nencoder = {{ name = "{ann}" }}').replace(
        "tau = 2.0 }", f'tau = 2.0 }}\nencoder = {{ name = "{lif}" }}'
    )


def test_an_ann_sees_every_frame_of_a_recording(write):
    runs = load_suite(write(frames(EVENTS))).runs
    assert {run.spec.timesteps for run in runs} == {4}


def test_one_frame_of_all_events_has_one_timestep(write):
    assert load_suite(write(frames(EVENTS, ann="merged", timesteps=1))).runs
    found = problems(write(frames(EVENTS, ann="merged")))
    assert found == ["entries[0] (ANN).timesteps: encoder 'merged' makes one frame; use 1, not 4"]


@pytest.mark.parametrize("encoder", ["direct", "rate", "latency"])
def test_recordings_need_an_encoder_that_takes_them(write, encoder):
    found = problems(write(frames(EVENTS, lif=encoder)))
    assert found == [
        f"entries[1] (LIF).encoder: data set 'n-mnist' holds event recordings, and encoder '{encoder}' takes images; "
        "use one of frames, merged"
    ]


def test_images_have_no_frames(write):
    found = problems(write(frames(TEXT, ann="direct", timesteps=1)))
    assert found == [
        "entries[1] (LIF).encoder: data set 'digits' holds images, and encoder 'frames' takes event recordings; "
        "use one of direct, latency, rate"
    ]


SYNAPSE = (
    "timesteps = 4",
    'timesteps = 4\nmodel = { synapse = { name = "lsq", bits = 4 } }\nunmatched = ["model.synapse"]',
)


def test_a_synapse_makes_other_runs_of_its_entry_alone(write):
    before, after = keys(write()), keys(write(synapse=SYNAPSE))
    assert {pair for pair in before if before[pair] != after[pair]} == {("LIF", 0), ("LIF", 1)}
    run = load_suite(write(synapse=SYNAPSE)).select(label="LIF")[0]
    assert ("synapse", "lsq", {"bits": 4}) in run.plugins
    assert resolve_parameters(run.spec)["synapse"] == {"bits": 4, "end_bits": 8, "start_fraction": 0.0}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{ name = "lsk", bits = 4 }', "model.synapse.name: unknown synapse 'lsk'; did you mean 'lsq'"),
        ('{ name = "lsq", bit = 4 }', "model.synapse.bit: unknown key; did you mean 'bits'"),
        ('{ name = "lsq", bits = "4" }', "model.synapse.bits: "),
        ("{ bits = 4 }", "model.synapse.name: missing"),
    ],
)
def test_what_is_wrong_with_a_synapse_is_told(write, written, expected):
    old, new = SYNAPSE
    found = problems(write(synapse=(old, new.replace('{ name = "lsq", bits = 4 }', written))))
    assert len(found) == 1 and "entries[1] (LIF)." in found[0] and expected in found[0]


def test_a_synapse_is_a_declared_difference(write):
    old, new = SYNAPSE
    [found] = problems(write(synapse=(old, new.partition("\nunmatched")[0])))[:1]
    assert "entries may differ only in neuron, timesteps and encoder" in found and "model.synapse" in found


def test_folds_are_of_images_and_the_same_for_every_entry(write):
    folds = TEXT.replace('{ name = "digits" }', '{ name = "digits", test_split = "folds" }')
    assert {run.spec.dataset.test_split for run in load_suite(write(folds)).runs} == {"folds"}
    assert load_suite(write(TEXT)).runs[0].spec.dataset.test_split == "fixed"
    assert problems(write(folds.replace('"folds"', '"fold"')))[0].startswith("dataset.test_split: ")
    recordings = EVENTS.replace("partial = true", 'partial = true, test_split = "folds"')
    assert problems(write(frames(recordings))) == [
        "dataset.test_split: data set 'n-mnist' holds recordings, whose split is fixed; leave it out"
    ]
    other = folds.replace("timesteps = 4", 'timesteps = 4\ndataset = { test_split = "fixed" }\nunmatched = ["dataset"]')
    assert problems(write(other)) == [
        "entries[1] (LIF).dataset.test_split: is the same for every entry; say it in the suite's own [dataset]"
    ]


def test_another_data_set_of_an_entry_has_folds_too_or_is_refused(write):
    folds = TEXT.replace('{ name = "digits" }', '{ name = "digits", test_split = "folds" }')
    override = 'timesteps = 4\ndataset = { name = "%s" }\nunmatched = ["dataset"]'
    fashion = load_suite(write(folds.replace("timesteps = 4", override % "fashion-mnist"))).select("LIF", 0)[0]
    assert (fashion.spec.dataset.name, fashion.spec.dataset.test_split) == ("fashion-mnist", "folds")
    found = problems(write(folds.replace("timesteps = 4", override % "n-mnist")))
    words = "dataset.test_split: data set 'n-mnist' holds recordings, whose split is fixed; leave it out"
    assert f"entries[1] (LIF).{words}" in found


def test_another_synapse_of_an_entry_has_no_parameters_of_the_suites(write):
    ends = ("stages = 2 }", 'stages = 2, synapse = { name = "lsq", bits = 3 } }')
    old, new = SYNAPSE
    other = new.replace('{ name = "lsq", bits = 4 }', '{ name = "pruned", sparsity = 0.5 }')
    suite = load_suite(write(model=ends, synapse=(old, other)))
    assert suite.select(label="LIF")[0].spec.model.synapse.params == {"sparsity": 0.5}
    assert suite.select(label="ANN")[0].spec.model.synapse.params == {"bits": 3}
    same = load_suite(write(model=ends, synapse=(old, new.replace('name = "lsq", bits = 4', "end_bits = 6"))))
    assert same.select(label="LIF")[0].spec.model.synapse.params == {"bits": 3, "end_bits": 6}


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[3] / "suites").glob("*.toml")), ids=lambda path: path.stem
)
def test_a_table_that_prices_memory_is_first_or_second_in_every_suite(path):
    assert any(load_table(name).memories for name in load_suite(path).spec.energy[:2])
