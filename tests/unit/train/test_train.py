"""The training loop: losses against the formula, schedules against torch's, and going on after a stop."""

import copy
import math

import pytest
import torch
from support.training import CPU, TESTED, train
from torch import nn
from torch.nn import functional as F

from bench.errors import RunFailedError
from bench.store.checkpoints import read_state, write_state
from bench.store.folder import older
from bench.suite.recipe import LossSpec, OptimizerSpec, ScheduleSpec
from bench.train.loop import Interrupted
from bench.train.schedule import schedule_factor
from bench.train.step import build_loss, build_optimizer

LOGITS = torch.tensor([[[1.0, 2.0, 0.0], [0.5, -1.0, 2.0]], [[3.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])  # [T=2, N=2, 3]
LABELS = torch.tensor([0, 2])


def cross_entropy(row, label):
    return math.log(sum(math.exp(value) for value in row)) - row[label]


def test_ce_is_the_cross_entropy_of_the_mean_logits():
    expected = (cross_entropy([2.0, 1.0, 0.0], 0) + cross_entropy([0.25, -0.5, 1.5], 2)) / 2
    assert build_loss(LossSpec(name="ce")).of(LOGITS, LABELS).item() == pytest.approx(expected, rel=1e-6)


def test_tet_averages_over_timesteps_and_pulls_logits_to_the_target():
    rows = [(0, 0), (0, 1), (1, 0), (1, 1)]
    ce = sum(cross_entropy(LOGITS[t, n].tolist(), LABELS[n].item()) for t, n in rows) / 4
    mse = sum((value - 1.0) ** 2 for value in LOGITS.flatten().tolist()) / 12
    loss = build_loss(LossSpec(name="tet", mse_weight=0.05, mse_target=1.0)).of(LOGITS, LABELS)
    assert loss.item() == pytest.approx(0.95 * ce + 0.05 * mse, rel=1e-6)


def test_tet_with_one_timestep_and_no_pull_is_ce():
    one = LOGITS[:1]
    tet, ce = LossSpec(name="tet", mse_weight=0.0), LossSpec(name="ce")
    assert build_loss(tet).of(one, LABELS).item() == pytest.approx(build_loss(ce).of(one, LABELS).item(), rel=1e-6)


def test_mse_compares_every_timestep_with_the_one_hot_label():
    target = [[1, 0, 0], [0, 0, 1]]
    expected = sum((LOGITS[t, n, c].item() - target[n][c]) ** 2 for t in range(2) for n in range(2) for c in range(3))
    assert build_loss(LossSpec(name="mse")).of(LOGITS, LABELS).item() == pytest.approx(expected / 12, rel=1e-6)


HALVES = torch.tensor([[[0.0, math.log(3.0)], [0.0, 0.0]], [[math.log(3.0), 0.0], [2.0, 2.0]]])  # [T=2, N=2, 2]
TO_THE_LABEL = LossSpec(name="tet-one-hot", mse_weight=0.05)


def test_tet_one_hot_is_cross_entropy_and_a_pull_to_the_label_at_every_timestep():
    # probabilities of the labels 1, 0: 3/4, 1/2 at the first timestep, 1/4, 1/2 at the second
    ce = (math.log(4 / 3) + math.log(2) + math.log(4) + math.log(2)) / 4
    ln3 = math.log(3)
    squares = [0, (ln3 - 1) ** 2, 1, 0, ln3**2, 1, 1, 4]  # of logits minus (0, 1), (1, 0), (0, 1), (1, 0)
    loss = build_loss(TO_THE_LABEL).of(HALVES, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(0.95 * ce + 0.05 * sum(squares) / 8, rel=1e-6)


def test_tet_one_hot_has_the_gradient_of_its_formula():
    logits = HALVES.double().requires_grad_()
    build_loss(TO_THE_LABEL).of(logits, torch.tensor([1, 0])).backward()
    ln3 = math.log(3)
    # cross-entropy over T N = 4: softmax minus one-hot; mse over T N C = 8: twice logits minus one-hot
    softmax = [[[1 / 4, -1 / 4], [-1 / 2, 1 / 2]], [[3 / 4, -3 / 4], [-1 / 2, 1 / 2]]]
    distance = [[[0, ln3 - 1], [-1, 0]], [[ln3, -1], [1, 2]]]
    expected = 0.95 * torch.tensor(softmax).double() / 4 + 0.05 * 2 * torch.tensor(distance).double() / 8
    torch.testing.assert_close(logits.grad, expected, rtol=0, atol=1e-7)  # HALVES holds ln 3 in float32


@pytest.mark.parametrize(
    ("weight", "other"), [(0.0, LossSpec(name="tet", mse_weight=0.0)), (1.0, LossSpec(name="mse"))]
)
def test_tet_one_hot_lies_between_cross_entropy_and_mse(weight, other):
    loss = build_loss(LossSpec(name="tet-one-hot", mse_weight=weight)).of(LOGITS, LABELS)
    assert loss.item() == pytest.approx(build_loss(other).of(LOGITS, LABELS).item(), rel=1e-6)


def test_tet_one_hot_smooths_the_label_of_the_cross_entropy_alone():
    smoothed = build_loss(LossSpec(name="tet-one-hot", label_smoothing=0.1)).of(LOGITS, LABELS)
    ce = F.cross_entropy(LOGITS.flatten(0, 1), LABELS.repeat(2), label_smoothing=0.1).item()
    mse = build_loss(LossSpec(name="mse")).of(LOGITS, LABELS).item()
    assert smoothed.item() == pytest.approx(0.95 * ce + 0.05 * mse, rel=1e-6)


@pytest.mark.parametrize("name", ["ce", "tet", "tet-one-hot", "mse"])
def test_a_hard_label_and_its_one_hot_form_give_one_loss(name):
    soft = F.one_hot(LABELS, 3).float()
    hard_loss, soft_loss = (build_loss(LossSpec(name=name)).of(LOGITS, labels) for labels in (LABELS, soft))
    assert hard_loss.item() == pytest.approx(soft_loss.item(), rel=1e-6)


def rates(spec, epochs, steps):
    factor = schedule_factor(spec, epochs, steps)
    return [factor(step) for step in range(epochs * steps)]


def torch_rates(make, epochs, steps, every_step):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    schedule = make(optimizer)
    found = []
    for _ in range(epochs):
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if every_step and len(found) < epochs * steps:
                schedule.step()
        if not every_step:
            schedule.step()
    return found


def test_schedules_equal_torchs():
    schedulers, epochs, steps = torch.optim.lr_scheduler, 10, 7
    cosine = torch_rates(lambda o: schedulers.CosineAnnealingLR(o, epochs), epochs, steps, False)
    assert rates(ScheduleSpec(name="cosine"), epochs, steps) == pytest.approx(cosine, abs=1e-12)
    milestones = torch_rates(lambda o: schedulers.MultiStepLR(o, [3, 6], 0.2), epochs, steps, False)
    assert rates(ScheduleSpec(name="step", milestones=[3, 6], gamma=0.2), epochs, steps) == pytest.approx(milestones)

    def one_cycle(optimizer):
        return schedulers.OneCycleLR(optimizer, 1.0, epochs * steps, pct_start=21 / 70, cycle_momentum=False)

    found = rates(ScheduleSpec(name="one-cycle", warmup_fraction=20 / 69), epochs, steps)
    assert found == pytest.approx(torch_rates(one_cycle, epochs, steps, True), rel=1e-6)


def test_warmup_rises_to_the_full_rate():
    found = rates(ScheduleSpec(name="constant", warmup_epochs=2), 3, 5)
    assert found == pytest.approx([(step + 1) / 10 for step in range(10)] + [1.0] * 5)


def test_optimizers_are_torchs_with_the_given_settings():
    model = nn.Linear(2, 2)
    sgd = build_optimizer(model, OptimizerSpec(name="sgd", learning_rate=0.1, momentum=0.8, weight_decay=0.01), CPU)
    assert type(sgd) is torch.optim.SGD
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.8, 0.01)
    adamw = build_optimizer(model, OptimizerSpec(name="adamw", learning_rate=0.1), CPU)
    assert type(adamw) is torch.optim.AdamW and adamw.defaults["betas"] == (0.9, 0.999)


class Shelf:
    """Keeps every state in memory, and what was said against one."""

    def __init__(self):
        self.states, self.refused = [], []

    def load(self):
        yield from reversed(self.states)

    def refuse(self, error):
        self.refused.append(str(error))

    def save(self, state):
        self.states.append(copy.deepcopy(state))


def test_whoever_keeps_states_need_not_be_a_folder_and_hears_of_one_that_does_not_fit(tmp_path):
    _, expected = train(tmp_path / "whole.pt")
    shelf = Shelf()
    for stop_after in (7, 3):
        with pytest.raises(Interrupted):
            train(shelf, stop_after)
    assert [(state["epoch"], state["step"]) for state in shelf.states] == [(1, 0), (1, 1), (1, 4)]
    shelf.states[-1]["history"]["other"] = "version"
    del shelf.states[-2]["cpu_rng"]
    _, history = train(shelf)
    assert shelf.refused == ["its history is of another version", "'cpu_rng'"]
    assert history.rows == expected.rows and history.order == expected.order


def test_states_are_kept_within_an_epoch_as_often_as_asked():
    often, seldom = Shelf(), Shelf()
    train(often, every_s=0.0, before_test_s=1000.0)
    train(seldom, before_test_s=1000.0)
    assert [state["step"] for state in often.states] == [1, 2, 3, 4, 5, 6, 0] * 3
    assert [(state["epoch"], state["step"]) for state in seldom.states] == [(1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize("stops", [[1], [6], [7], [4, 5, 3], [1] * 17])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tmp_path, stops):
    whole, expected = train(tmp_path / "whole.pt")
    for stop_after in stops:
        torch.manual_seed(stop_after)  # a new process has another global state
        with pytest.raises(Interrupted):
            train(tmp_path / "parts.pt", stop_after)
    parts, history = train(tmp_path / "parts.pt")
    assert history.rows == expected.rows and history.order == expected.order
    assert len(history.rows) == 3 and history.images == 3 * 6 * 8
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name


SYNAPSES = {
    "lsq": {"bits": 2, "end_bits": 2, "start_fraction": 0.4},
    "pruned": {"sparsity": 0.75, "ends": True, "end_fraction": 0.8},
}


@pytest.mark.parametrize("name", SYNAPSES)
@pytest.mark.parametrize("stops", [[3], [7], [9], [4, 5, 3]])
def test_synapses_go_on_where_an_interrupted_training_was(tmp_path, stops, name):
    synapse = (name, SYNAPSES[name])
    whole, expected = train(tmp_path / "whole.pt", synapse=synapse)
    for stop_after in stops:
        with pytest.raises(Interrupted):
            train(tmp_path / "parts.pt", stop_after, synapse=synapse)
    parts, history = train(tmp_path / "parts.pt", synapse=synapse)
    assert history.rows == expected.rows
    for key, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[key]), key


def test_what_training_makes_of_its_weights_is_what_was_asked_for(tmp_path):
    pruned, _ = train(tmp_path / "pruned.pt", synapse=("pruned", SYNAPSES["pruned"]))
    assert int((pruned.linear.weight == 0).sum()) == 24  # of 32, three quarters
    learned, _ = train(tmp_path / "learned.pt", synapse=("lsq", SYNAPSES["lsq"]))
    assert len(learned.linear.weight.unique()) <= 4
    assert learned.linear.parametrizations["weight"][0].step.log_ratio.item() != 0


def test_a_finished_training_is_not_trained_further(tmp_path):
    model, _ = train(tmp_path / "checkpoint.pt")
    seen = []
    again, history = train(tmp_path / "checkpoint.pt", watch=seen.append)
    assert seen == [] and len(history.rows) == 3
    assert torch.equal(model.linear.weight, again.linear.weight)


def test_the_history_holds_the_rate_that_each_epoch_used(tmp_path):
    _, history = train(tmp_path / "checkpoint.pt")  # cosine over 3 epochs from 0.1
    assert [row["learning_rate"] for row in history.rows] == pytest.approx([0.1, 0.075, 0.025])


def test_a_training_that_goes_on_keeps_the_digest_of_the_code_that_began_it(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(path, 4)
    state = read_state(path)
    state["history"]["origin"] = {"training": "yesterday's"}
    write_state(path, state)
    assert train(path)[1].origin == {"training": "yesterday's"}


def test_the_epoch_is_on_disk_before_a_long_test(tmp_path):
    path, steps = tmp_path / "checkpoint.pt", []
    _, expected = train(tmp_path / "whole.pt")
    train(path, test=lambda: steps.append(read_state(path)["step"]) or TESTED, before_test_s=0.0)
    assert steps == [6, 6, 6]
    path.unlink()
    older(path).unlink()

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(path, test=killed, before_test_s=0.0)
    assert train(path)[1].rows == expected.rows


def test_progress_counts_steps_and_ends_with_nothing_left(tmp_path):
    seen = []
    train(tmp_path / "checkpoint.pt", watch=seen.append)
    assert [(progress.epoch, progress.step) for progress in seen][4:6] == [(1, 6), (2, 1)]  # none after the first step
    assert seen[-1].seconds_left == 0 and all(progress.images_per_s > 0 for progress in seen)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(RunFailedError, match=r"the loss is (nan|inf) in epoch \d, step \d.*learning rate"):
        train(tmp_path / "checkpoint.pt", rate=1e38)
