"""The estimator of the local learning coefficient against devinterp 1.3.2, where it is installed; nothing needs it.

Both move by w ← w − (ε/2)(nβ·∇L + γ(w − w*)) + √ε·noise and return nβ·(mean of L over draws − L(w*)), L of a draw being
taken before its step. All examples are in every draw, so that L is the same function here and there.
"""

from __future__ import annotations

import math
from importlib import metadata

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from regrok.measures.learning_coefficient import Protocol, sample
from regrok.models.quadratic import QuadraticNetwork
from regrok.probes import learning_coefficient as probe
from regrok.study.run import Run
from regrok.training.kinds import QUADRATIC, SQUARE
from small import small_run
from test_probes import states

sampler = pytest.importorskip("devinterp.slt.sampler", reason="devinterp 1.3.2 is not installed")
if not metadata.version("devinterp").startswith("1."):
    pytest.skip("devinterp 2 has another interface", allow_module_level=True)

# It warns of its own names, of few batches and of seeds.
pytestmark = pytest.mark.filterwarnings("ignore")

P, WIDTH = 7, 8
STEP, N_BETA, GAMMA = 5e-4, 26.4, 5.0


def centred(outputs, labels):
    """Half the squares, less the residuals' mean (2603.01192)."""
    left = outputs - functional.one_hot(labels, P)
    return (left - left.mean(0)).square().sum(1).mean() / 2


def theirs(module, inputs, labels, chains, burn_in, draws):
    """What devinterp makes of a module: its coefficients chain by chain, seeded by the chain's number."""
    loader = DataLoader(
        TensorDataset(inputs, labels), batch_size=len(labels), generator=torch.Generator()
    )
    found = sampler.estimate_learning_coeff_with_summary(
        module,
        loader,
        evaluate=_evaluate,
        optimizer_kwargs={"lr": STEP, "nbeta": N_BETA, "localization": GAMMA},
        num_chains=chains,
        num_draws=draws,
        num_burnin_steps=burn_in,
        seed=list(range(chains)),
        verbose=False,
    )
    return torch.tensor([found[f"llc-chain/{i}"] for i in range(chains)], dtype=torch.float64)


def _evaluate(module, batch):
    inputs, labels = batch
    return centred(module(inputs), labels), {}


class OneTensor(nn.Module):
    """The quadratic network with all of its parameters in one, so that both draw their noise in one piece."""

    def __init__(self, plain):
        super().__init__()
        self.flat = nn.Parameter(torch.cat([x.detach().flatten() for x in plain.parameters()]))

    def forward(self, pairs):
        W, V = self.flat.split([2 * P * WIDTH, P * WIDTH])
        a, b = pairs.unbind(-1)
        W = W.view(2 * P, WIDTH)
        return (W[a] + W[b + P]).square() @ V.view(P, WIDTH).mT


def test_a_chain_with_the_same_noise_has_the_same_coefficient():
    torch.manual_seed(1)
    module = OneTensor(QuadraticNetwork(P, WIDTH, P))
    pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    labels = pairs.sum(1) % P
    expected = theirs(module, pairs, labels, 3, 20, 50)

    def at(points, draw):
        module.load_state_dict({"flat": points[0]})
        loss = _evaluate(module, (pairs, labels))[0]
        return loss.detach()[None], torch.autograd.grad(loss, module.flat)[0][None]

    start = module.flat.detach().clone()[None]
    loss = at(start, 0)[0]
    for seed, value in enumerate(expected.tolist()):
        draw = torch.Generator().manual_seed(seed)
        found = sample(at, start, loss, Protocol(STEP, N_BETA, GAMMA, 1, 20, 50), draw)
        assert not found.diverged.any()
        # Single precision in another order of sums; chains differ from each other by a hundred times as much.
        assert float(found.mean) == pytest.approx(value, rel=1e-3)
    assert float(expected.std()) > 0.01 * float(expected.mean())


def test_the_probe_of_a_trained_run_agrees_with_it_over_chains(tmp_path):
    values = small_run(task={"p": P}).model_dump()
    values["model"] = {**QUADRATIC, "width": WIDTH}
    values["optimiser"] = {**SQUARE, "reduction": None, "learning_rate": 1e-2}
    values["protocol"].update(batch=8, max_steps=500, log_every=5, curve_every=50, tail_steps=0)
    values["protocol"].update(stop="budget")
    (state,) = states(Run.model_validate(values), tmp_path, [500])
    module = QuadraticNetwork(P, WIDTH, P)
    module.load_state_dict(state.parameters())
    other = theirs(module, state.train.inputs, state.train.labels, 30, 50, 200)
    options = {
        **probe.DEFAULTS,
        "step": STEP,
        "n_beta": N_BETA,
        "localisation": GAMMA,
        "chains": 30,
        "burn_in": 50,
        "draws": 200,
        "batch": len(state.train),
        "signs": 1,
    }
    rows = probe.measure(state, options, 1)
    own = torch.tensor([row["coefficient"] for row in rows], dtype=torch.float64)
    error = math.sqrt((float(own.var()) + float(other.var())) / 30)
    assert 4 * error < 0.2 * float(other.mean())
    assert abs(float(own.mean() - other.mean())) < 4 * error
