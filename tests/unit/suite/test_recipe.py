"""The recipe's plug-ins: what a suite may say of them, and one file of somebody else's that is as good as ours."""

import pytest
import torch
from support.command import spikebench
from support.engines import Scripted
from support.suites import problems
from torch import nn

from bench.data.augmentations.base import Augmentation
from bench.data.feed.augment import build_augmenter
from bench.errors import ParameterError, SuiteError
from bench.execute.messages import Event
from bench.execute.plan import Settings, check_values, plan, warnings_of
from bench.execute.suites import execute
from bench.plugins import registry
from bench.plugins.trust import TRUST_VARIABLE
from bench.report.page import render_report
from bench.runs.provenance import code_digest
from bench.store.store import Store
from bench.suite.load import load_suite
from bench.suite.recipe import LossSpec, OptimizerSpec, ScheduleSpec
from bench.train.schedule import schedule_factor
from bench.train.step import build_loss, build_optimizer

LION = '''"""Lion."""

import torch

from bench.train.optimizers.base import Optimizer


class Lion(Optimizer):
    """The sign of an average of gradients (Chen et al. 2023)."""

    def __init__(self, *, learning_rate: float, momentum: float = 0.95, beta: float = 0.99):
        if beta < momentum:
            raise ValueError("beta should be at least the momentum")
        self.learning_rate, self.betas = learning_rate, (momentum, beta)

    def build(self, parameters, *, fused):
        return _Lion(parameters, {"lr": self.learning_rate, "betas": self.betas})


class _Lion(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in filter(lambda p: p.grad is not None, group["params"]):
                average = self.state[p].setdefault("average", torch.zeros_like(p))
                first, second = group["betas"]
                p.sub_(group["lr"] * average.lerp(p.grad, 1 - first).sign())
                average.lerp_(p.grad, 1 - second)
'''
LINEAR = '''"""A straight line down."""

from bench.train.schedules.base import Schedule


class Linear(Schedule):
    """From the learning rate to `last` of it."""

    def __init__(self, *, last: float = 0.0, warmup_epochs: int = 0):
        super().__init__(warmup_epochs=warmup_epochs)
        self.last = last

    def after_warmup(self, step, epochs, steps):
        return 1 - (1 - self.last) * step / (epochs * steps)
'''
NOISE = '''"""Noise."""

import torch

from bench.data.augmentations.base import ImageAugmentation


class Noise(ImageAugmentation):
    """Gaussian noise on every pixel."""

    def augment(self, images, generator):
        return images + 0.1 * torch.randn(images.shape, generator=generator).to(images.device)
'''
HINGE = '''"""The hinge."""

from torch.nn import functional as F

from bench.train.losses.base import Loss


class Hinge(Loss):
    """The multi-class hinge of the mean logits."""

    def __init__(self, *, margin: float = 1.0):
        self.margin = margin

    def of(self, logits, labels):
        return F.multi_margin_loss(logits.mean(0), labels, margin=self.margin)
'''


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A package outside this one, one file a plug-in, which may run."""
    (tmp_path / "recipelab").mkdir()
    for name, text in {"lion": LION, "linear": LINEAR, "noise": NOISE, "hinge": HINGE, "__init__": ""}.items():
        (tmp_path / "recipelab" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, "recipelab")
    return tmp_path / "recipelab"


OPTIMIZER = '{ name = "sgd", learning_rate = 0.1 }'
THEIRS = """{ name = "recipelab.lion:Lion", learning_rate = 1e-3, beta = 0.98 }
schedule = { name = "recipelab.linear:Linear", last = 0.5, warmup_epochs = 1 }
loss = { name = "recipelab.hinge:Hinge" }
augment = ["recipelab.noise:Noise", "random-flip"]"""
MODULES = {"recipelab.lion", "recipelab.linear", "recipelab.hinge", "recipelab.noise"}


@pytest.mark.parametrize("model", [OptimizerSpec, ScheduleSpec, LossSpec])
def test_built_in_plugins_take_the_declared_parameters_with_the_defaults_of_the_key(model):
    for name, info in registry.plugins(model.kind).items():
        for parameter in info.parameters:
            default = model.model_fields[parameter.name].default
            assert parameter.required or parameter.default == default, f"{name}: {parameter.name}"


def test_every_built_in_augmentation_has_an_order_of_its_own():
    made = [info.load() for info in registry.plugins("augmentation").values()]
    assert all(issubclass(each, Augmentation) and each.order < Augmentation.order for each in made)
    stages = [(each.soft_labels, getattr(each, "stored", None), each.order) for each in made]
    assert len(set(stages)) == len(stages)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('optimizer = { name = "adam", learning_rate = 0.1, nesterov = true }', "nesterov needs sgd with a momentum"),
        ('optimizer = { name = "sgd", learning_rate = 0.1, beta2 = 0.9 }', "optimizer 'sgd' takes no beta2"),
        ('schedule = { name = "cosine", milestones = [1] }', "milestones belong to the step schedule"),
        ('schedule = { name = "cosine", gamma = 0.5 }', "schedule 'cosine' takes no gamma"),
        ('schedule = { name = "cosin" }', "train.schedule.name: 'cosin' is not a choice; did you mean 'cosine'?"),
        ('schedule = { name = "cosine", warmup = 1 }', "train.schedule.warmup: unknown key; did you mean 'warmup_epo"),
        ('loss = { name = "tet", mse_wieght = 0.1 }', "train.loss.mse_wieght: unknown key; did you mean 'mse_weight'?"),
        ('augment = ["random-flap"]', "train.augment[0]: unknown augmentation 'random-flap'; did you mean 'random-fli"),
        ("augment = [3]", "train.augment[0]: should be a valid string, not 3"),
        ('loss = { name = "nolab:Loss" }', "train.loss.name: loss 'nolab:Loss': there is no module 'nolab' on"),
    ],
)
def test_each_problem_of_a_recipe_is_told_in_its_place(write, written, expected):
    old = f"optimizer = {OPTIMIZER}"
    [found] = problems(write(a=(old, written if written.startswith("optimizer") else f"{old}\n{written}")))
    assert expected in found and found.startswith("train.")


def test_a_misspelt_key_is_told_beside_the_missing_one(write):
    found = problems(write(a=("learning_rate", "lerning_rate")))
    assert found == [
        "train.optimizer.learning_rate: missing",
        "train.optimizer.lerning_rate: unknown key; did you mean 'learning_rate'?",
    ]


def test_what_a_constructor_refuses_shows_before_anything_is_trained(write):
    suite = load_suite(write(a=("learning_rate = 0.1", "learning_rate = 0.1, nesterov = true, momentum = 0.0")))
    with pytest.raises(SuiteError, match="toml: optimizer 'sgd': nesterov needs sgd with a momentum above 0"):
        check_values([suite])
    suite = load_suite(write(a=(OPTIMIZER, f'{OPTIMIZER}\naugment = ["event-drop"]')))
    with pytest.raises(SuiteError, match="toml: augment: 'event-drop' is for event recordings"):
        check_values([suite])


def test_a_problem_of_a_shared_table_is_one_line_and_others_are_told_beside_it(write):
    nesterov = "learning_rate = 0.1, nesterov = true, momentum = 0.0"
    suite = load_suite(
        write(
            a=("learning_rate = 0.1", nesterov),
            b=("stages = 2", "stages = 9"),
            c=("tau = 2.0", "tau = 0.5"),
        )
    )
    with pytest.raises(SuiteError) as caught:
        check_values([suite])
    found = [line.partition(".toml: ")[2] for line in caught.value.problems]
    assert sorted(line.partition(":")[0] for line in found) == ["entry 'LIF'", "model 'convnet'", "optimizer 'sgd'"]


def test_batch_norm_over_a_batch_of_one_is_one_warning(write):
    assert warnings_of([load_suite(write())]) == []
    path = write(a=("batch_size = 64", "batch_size = 1"))
    [warning] = warnings_of([load_suite(path)] * 2)
    assert warning.startswith(f"{path}: train.batch_size = 1: batch norm ")
    done = spikebench("check", path)
    assert (done.returncode, done.stderr) == (0, f"warning: {warning}\n")
    override = 'timesteps = 4\ntrain = { batch_size = 1 }\nunmatched = ["train.batch_size"]'
    [warning] = warnings_of([load_suite(write(a=("timesteps = 4", override)))])
    assert warning.startswith(f"{path}: entry 'LIF': train.batch_size = 1: ")


@pytest.mark.parametrize(("batch_norm", "whose"), [("folded", "entry 'ANN': "), ("per-step", "")])
def test_batch_norm_over_one_value_is_refused_before_it_trains(write, batch_norm, whose):
    """Folded, the T timesteps of one sample are T values; each by itself is one."""
    network = f'model = {{ name = "mlp", batch_norm = "{batch_norm}" }}'
    path = write(
        a=("batch_size = 64", "batch_size = 1"), b=('model = { name = "convnet", width = 8, stages = 2 }', network)
    )
    with pytest.raises(SuiteError) as caught:
        check_values([load_suite(path)])
    assert caught.value.problems == (
        f"{path}: {whose}train.batch_size = 1: batch norm has one value of a feature, which has no variance; "
        "use 2 or more",
    )


def test_a_run_warns_before_it_trains(write, tmp_path, caplog):
    suite = load_suite(write(a=("batch_size = 64", "batch_size = 1")))
    store = Store(tmp_path / "runs")
    _, todos = plan([suite], store)
    outcome = execute(todos, store, Settings(device="cpu"), engine=Scripted(lambda job: [Event(kind="done")]))
    assert outcome.done == 4 and not outcome.failed
    assert [record.getMessage() for record in caplog.records] == [f"warning: {line}" for line in warnings_of([suite])]


def test_what_is_wrong_in_a_shared_table_is_not_told_again_where_an_entry_changes_it(write):
    override = 'timesteps = 4\nmodel = { width = 4, dropuot = 0.5 }\nunmatched = ["model"]'
    found = problems(write(a=("stages = 2", "stagse = 2"), b=("timesteps = 4", override)))
    assert found == [
        "model.stagse: unknown key; did you mean 'stages'?",
        "entries[1] (LIF).model.dropuot: unknown key; did you mean 'dropout'?",
    ]


def test_a_run_lists_every_plugin_that_it_uses(write):
    recipe = '{ name = "adamw", learning_rate = 0.1 }\naugment = ["roll", "cutmix", "roll"]'
    run = load_suite(write(a=(OPTIMIZER, recipe))).select("LIF", 0)[0]
    used = {(use.kind, use.name): use.params for use in run.plugins}
    assert list(used)[:7] == [
        ("dataset", "digits"),
        ("model", "convnet"),
        ("neuron", "lif"),
        ("encoder", "direct"),
        ("optimizer", "adamw"),
        ("schedule", "constant"),
        ("loss", "ce"),
    ]
    assert {("augmentation", "roll"), ("augmentation", "cutmix"), ("surrogate", "rectangle")} <= set(used)
    assert used["neuron", "lif"] == {"tau": 2.0}
    adamw = {"learning_rate": 0.1, "momentum": 0.9, "beta2": 0.999, "weight_decay": 0.0}
    assert used["optimizer", "adamw"] == adamw


def test_one_file_of_somebody_else_is_an_optimiser_a_schedule_a_loss_or_an_augmentation(write, lab):
    suite = load_suite(write(a=(OPTIMIZER, THEIRS)))
    assert suite.outside_modules == MODULES
    check_values([suite])
    spec = suite.runs[0].spec
    weight = nn.Linear(2, 1, bias=False)
    optimizer = build_optimizer(weight, spec.train.optimizer, torch.device("cpu"))
    before = weight.weight.detach().clone()
    weight(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert torch.equal(weight.weight, before - 1e-3)
    assert optimizer.defaults["betas"] == (0.95, 0.98)
    factor = schedule_factor(spec.train.schedule, 4, 10)
    assert [factor(step) for step in (4, 20)] == [0.5, 0.75]  # half-way up in the first epoch, half-way down
    assert build_loss(spec.train.loss).of(torch.zeros(2, 3, 4), torch.arange(3)).item() == pytest.approx(3 / 4)
    augmenter = build_augmenter(spec.train.augment, classes=4, image_size=(8, 8))
    images = augmenter.on_normalised(torch.zeros(2, 1, 8, 8), torch.Generator().manual_seed(0))
    assert torch.equal(images, 0.1 * torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)))


def test_a_report_says_of_them_what_they_take_and_nothing_else(write, lab):
    page = render_report(load_suite(write(a=(OPTIMIZER, THEIRS))), [])
    assert "train.optimizer.beta " in page and "train.schedule.last " in page
    assert not any(name in page for name in ("nesterov", "beta2", "gamma", "milestones", "mse_weight"))


def test_what_runs_of_them_stands_in_the_key_and_their_code_in_the_digest(write, lab):
    def first(**changes):
        return load_suite(write(a=(OPTIMIZER, THEIRS), **changes)).runs[0]

    run = first()
    dumped = run.spec.to_json()["train"]["optimizer"]
    assert dumped["momentum"] == 0.95 and dumped["beta"] == 0.98  # its own default, not the suite's 0.9
    assert first(b=("beta = 0.98", "beta = 0.98, momentum = 0.95")).key == run.key
    assert first(b=("beta = 0.98", "beta = 0.98, momentum = 0.9")).key != run.key
    (lab.parent / "lab2").mkdir()
    (lab.parent / "lab2" / "noise.py").write_text(NOISE.replace("0.1", "0.2"))
    other = first(b=("recipelab.noise", "lab2.noise"))
    assert code_digest(other.spec) != code_digest(run.spec)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("beta = 0.98", "bta = 0.98", "train.optimizer.bta: unknown key; did you mean 'beta'?"),
        ("beta = 0.98", 'beta = "much"', "train.optimizer.beta: should be float, not str"),
        ("beta = 0.98", "beta2 = 0.98", "train.optimizer: optimizer 'recipelab.lion:Lion' takes no beta2"),
        ("warmup_epochs = 1", "gamma = 0.5", "train.schedule: schedule 'recipelab.linear:Linear' takes no gamma"),
        (":Noise", ":Nois", "train.augment[0]: augmentation 'recipelab.noise:Nois': no class 'Nois' in"),
    ],
)
def test_their_parameters_are_checked_as_ours(write, lab, old, new, expected):
    [found] = problems(write(a=(OPTIMIZER, THEIRS), b=(old, new)))
    assert found.startswith(expected)


def test_their_constructors_are_heard_and_their_code_waits_for_leave(write, lab, monkeypatch):
    suite = load_suite(write(a=(OPTIMIZER, THEIRS), b=("beta = 0.98", "beta = 0.5")))
    with pytest.raises(SuiteError, match=r"optimizer 'recipelab\.lion:Lion': beta should be at least the momentum"):
        check_values([suite])
    monkeypatch.delenv(TRUST_VARIABLE)
    with pytest.raises(ParameterError, match=r"would import 'recipelab\.noise' .* from outside this package"):
        build_augmenter(["recipelab.noise:Noise"], classes=2, image_size=(8, 8))


def test_what_is_no_augmentation_is_refused(lab):
    with pytest.raises(
        ParameterError, match=r"Hinge should inherit from .*\.ImageAugmentation or .*\.MixingAugmentation"
    ):
        build_augmenter(["recipelab.hinge:Hinge"], classes=2, image_size=(8, 8))
