"""Muon: orthogonal steps of matrices, AdamW's for the rest, the same with workers that share the work, resumed exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from models.training import muon
from models.training.runtime import average_gradients, launch, load_state, save_state


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order: orthogonal steps make rounding noise as large as what was learned."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(2, 6, 3)
        self.convolution = nn.Conv2d(6, 12, 3).to(memory_format=torch.channels_last)
        self.word_embedding = nn.Embedding(9, 12)
        self.linear = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor, word: int) -> torch.Tensor:
        seen = self.convolution(torch.relu(self.conv_in(x))).mean((2, 3))
        return self.linear(seen + self.word_embedding(torch.tensor(word)))


def made(rank: int = 0, world: int = 1, lr: float = 0.02) -> tuple[Net, muon.Muon]:
    torch.manual_seed(3)
    net = Net()
    return net, muon.Muon(muon.groups(net, 1.0, 0.5), lr, rank, world)


def learn(net: Net, optimiser: muon.Muon, steps: range) -> float:
    value = 0.0
    for step in steps:
        x = torch.randn(8, 2, 7, 7, generator=torch.Generator().manual_seed(step))
        loss = ((net(x, step % 9) - x.mean((1, 2, 3))[:, None]) ** 2).mean()
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        average_gradients(list(net.parameters()), 1)
        optimiser.step()
        value = loss.item()
    return value


@pytest.mark.parametrize("shape", [(16, 60), (60, 16), (24, 24)])
def test_a_matrix_becomes_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    found = torch.linalg.svdvals(muon.orthogonal(torch.randn(shape) * 7).float())
    assert found.min() > 0.6 and found.max() < 1.3, "all directions are as strong as one another"


def test_matrices_are_told_from_the_rest() -> None:
    net, optimiser = made()
    names = {id(p): n for n, p in net.named_parameters()}
    matrices, rest = ({names[id(p)] for p in g["params"]} for g in optimiser.param_groups)
    assert matrices == {"convolution.weight", "linear.weight"}
    assert matrices | rest == set(names.values()) and not matrices & rest
    assert [g["share"] for g in optimiser.param_groups] == [1.0, 0.5]


def test_a_step_has_the_size_that_the_rate_says() -> None:
    net, optimiser = made(lr=0.01)
    before = net.convolution.weight.detach().clone()
    for p in net.parameters():
        p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
    optimiser.step()
    moved = net.convolution.weight.detach() - before * (1 - 0.01 * muon.DECAY)
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.01 * 0.2, rel=0.2), (
        "a fifth of the rate, as AdamW's are"
    )


def test_the_rest_moves_as_with_adamw() -> None:
    net, optimiser = made()
    other, _ = made()
    peer = torch.optim.AdamW([other.linear.bias], lr=0.02, betas=muon.BETAS, weight_decay=0.01)
    for step in range(5):
        g = torch.randn(5, generator=torch.Generator().manual_seed(step))
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
        net.linear.bias.grad, other.linear.bias.grad = g.clone(), g.clone()
        optimiser.step()
        peer.step()
    assert torch.allclose(net.linear.bias, other.linear.bias, atol=1e-6)


def test_it_learns() -> None:
    net, optimiser = made()
    first = learn(net, optimiser, range(1))
    assert learn(net, optimiser, range(60)) < 0.2 * first


def test_a_cut_run_goes_on_as_a_whole_one(tmp_path: Path) -> None:
    net, optimiser = made()
    learn(net, optimiser, range(6))
    save_state(tmp_path / "s.safetensors", {"net": net}, optimiser, {})
    again, fresh = made()
    load_state(tmp_path / "s.safetensors", {"net": again}, fresh)
    for n, o in ((net, optimiser), (again, fresh)):
        learn(n, o, range(6, 9))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def pushed(net: Net, optimiser: muon.Muon) -> None:
    """Four steps along given gradients of full rank: what a learned gradient hardly has becomes rounding noise made large."""
    for step in range(4):
        for p in net.parameters():
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(100 * step + p.numel()))
        optimiser.step()


def _shared(rank: int, world: int, folder: Path) -> None:
    net, optimiser = made(rank, world)
    pushed(net, optimiser)
    torch.save(net.state_dict(), folder / f"{rank}.pt")


def test_workers_share_the_work_and_agree(tmp_path: Path) -> None:
    launch(_shared, 2, tmp_path)
    a, b = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a)
    net, optimiser = made()
    assert len(set(muon.Muon(muon.groups(net, 1.0, 0.5), 0.02, 0, 2).owners.values())) == 2, "each makes a part"
    pushed(net, optimiser)
    assert all(torch.allclose(v, a[k], atol=1e-3) for k, v in net.state_dict().items())
