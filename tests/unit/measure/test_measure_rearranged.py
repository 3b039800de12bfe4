"""Test sequences with their frames shuffled, or merged."""

from collections import Counter

import pytest
import torch

from bench.measure.rearranged import rearranged

T, SAMPLES = 3, 600


def batches(sizes, timesteps=T):
    """Sequences whose every number says which frame of which sample it is of."""
    x = 1000 * torch.arange(timesteps)[:, None, None] + torch.arange(sum(sizes))[None, :, None]
    x = x.expand(-1, -1, 2).float()
    return list(zip(x.split(list(sizes), dim=1), torch.arange(sum(sizes)).split(list(sizes)), strict=True))


def orders(sizes, seed=0, timesteps=T):
    """The order in which each sample's frames come."""
    found = list(rearranged(batches(sizes, timesteps), "shuffled", seed))
    x = torch.cat([x for x, _ in found], dim=1)
    samples, frames = x % 1000, x // 1000
    assert torch.equal(samples, torch.arange(sum(sizes)).expand(2, timesteps, -1).permute(1, 2, 0).float())
    assert torch.equal(torch.cat([labels for _, labels in found]), torch.arange(sum(sizes)))
    assert torch.equal(frames[..., 0], frames[..., 1])  # a frame stays whole
    return [tuple(order) for order in frames[..., 0].T.int().tolist()]


def test_each_sample_has_an_order_of_its_own_and_all_orders_are_as_likely():
    found = Counter(orders([SAMPLES]))
    assert set(found) == {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}
    assert all(abs(count - 100) < 5 * (SAMPLES * 5 / 36) ** 0.5 for count in found.values())  # five standard deviations


def test_orders_follow_from_seed_and_sample_and_not_from_batches():
    assert orders([7, 3, 10]) == orders([20]) == orders([1] * 20)
    assert orders([20]) != orders([20], seed=1)


def test_merged_frames_are_all_the_mean_so_that_the_sum_stays():
    x = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]], [[2.0, 4.5]]])
    [(merged, labels)] = rearranged([(x, torch.tensor([7]))], "merged", 0)
    assert merged.tolist() == [[[2.0, 1.5]]] * 3 and labels.tolist() == [7]
    assert torch.equal(merged.sum(0), x.sum(0))


@pytest.mark.parametrize("frames", ["shuffled", "merged"])
def test_what_it_was_given_stays_as_it_is(frames):
    [(x, _)] = batches([4])
    before = x.clone()
    list(rearranged([(x, torch.arange(4))], frames, 0))
    assert torch.equal(x, before)
