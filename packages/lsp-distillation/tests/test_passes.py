"""The training that is done twice: where epochs stand, where the second pass begins, and who decides."""

import pytest
import torch
from test_learning import Counter
from tiny_training import metrics_of, same_state

from lsp_distillation.learning import LABELS, Losses, learn
from lsp_distillation.passes import Passes, begin_again, copies, passes_of
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.checkpoints import load_checkpoint


def test_epochs_and_their_places():
    line = Passes(4, teaches=True, twice=True)
    assert (line.ends, line.early) == ((4, 8), 1)
    assert [line.place(epoch) for epoch in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [line.is_second(epoch) for epoch in range(8)] == [False] * 4 + [True] * 4


@pytest.mark.parametrize(
    ("structure", "ends", "early"),
    [
        (StructureConfig(), (120, 240), 20),
        (StructureConfig(weight=3.0), (120, 240), 20),
        (StructureConfig(schedule="always"), (120,), 20),
        (StructureConfig(schedule="first"), (120,), 20),
        (StructureConfig(weight=0.0), (120,), 0),
    ],
)
def test_only_a_validated_term_takes_longer(structure, ends, early):
    line = passes_of(120, structure)
    assert (line.ends, line.early) == (ends, early)


def test_the_second_pass_begins_as_the_first_one_did():
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    first = copies({"network": network})

    def move():
        optimizer.zero_grad()
        network(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
        return network.weight.detach().clone()

    once = [move() for _ in range(3)]
    assert not torch.equal(once[0], move())
    begin_again({"network": network}, first, optimizer)
    assert all(torch.equal(a, b) for a, b in zip(once, [move() for _ in range(3)], strict=True))


class Taught:
    """A problem whose term pulls the other way, with validation scores that are known beforehand."""

    constant_loss = 9.0
    steps_per_epoch = 2

    def __init__(self, scores, stop_at=None):
        self.scores, self.stop_at, self.wanted, self.states = scores, stop_at, {}, {}

    def modules(self):
        return {}

    def losses(self, network, step, *, wanted):
        if step == self.stop_at:
            raise KeyboardInterrupt
        self.wanted[step] = "structure" in wanted
        terms = {LABELS: -network.weight}
        if "structure" in wanted:
            terms["structure"] = 3 * network.weight
        return Losses(terms, (network.weight,))

    def score(self, network, split):
        self.states[len(self.states)] = float(network.weight.detach())
        return self.scores[len(self.states) - 1]


def run(folder, problem, *, epochs=4, schedule="validated", weight=1.0, **training):
    terms = TermsConfig(structure=StructureConfig(weight=weight, schedule=schedule))
    config = TrainingConfig(epochs=epochs, **training)
    return learn(config, folder, problem, Counter(), record=config, terms=terms, device="cpu")


RISING = [0.0, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.3]
"""Of four epochs with the term and four without."""


def test_the_second_pass_begins_anew_and_without_the_term(tmp_path):
    problem = Taught(RISING)
    run(tmp_path, problem, cosine=True)
    assert [step for step, wanted in problem.wanted.items() if not wanted] == list(range(9, 17))
    plain, labels = Taught(RISING[:5]), Taught(RISING[:5])
    run(tmp_path / "plain", plain, schedule="always", cosine=True)
    assert [problem.states[e] for e in range(5)] == [plain.states[e] for e in range(5)]
    run(tmp_path / "labels", labels, weight=0.0, cosine=True)
    assert [problem.states[e] for e in range(5, 9)] == [labels.states[e] for e in range(1, 5)]
    # the term outweighs the labels: with it the weight falls on and on
    assert all(problem.states[e + 1] < problem.states[e] for e in range(4))
    assert all(problem.states[e + 1] > problem.states[e] for e in range(5, 8))
    assert len(metrics_of(tmp_path, "validation", "score")) == 9


@pytest.mark.parametrize(
    ("scores", "epoch", "dropped"),
    [
        (RISING, 4, False),
        ([*RISING[:6], 0.7, 0.7, 0.7], 6, True),
        ([*RISING[:6], 0.4, 0.4, 0.4], 4, False),
        ([0.9, 0.2, *RISING[2:]], 4, False),
        ([0.0, 0.9, *RISING[2:]], 1, False),
    ],
    ids=["kept", "dropped", "of equals with the term", "not the untrained one", "from a sixth on"],
)
def test_validation_decides(tmp_path, scores, epoch, dropped):
    problem = Taught(scores)
    learned = run(tmp_path, problem)
    assert (learned.epoch, learned.dropped) == (epoch, dropped)
    assert learned.validation == scores[epoch]
    assert float(learned.network.weight.detach()) == problem.states[epoch]


@pytest.mark.parametrize("stop_at", [5, 8, 9, 10, 13])
def test_a_kill_loses_nothing(tmp_path, stop_at):
    once = run(tmp_path / "once", Taught(RISING), checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "twice", Taught(RISING, stop_at), checkpoint_every=1)
    known = (stop_at - 1) // 2  # validated already
    twice = run(tmp_path / "twice", Taught(RISING[known + 1 :]), checkpoint_every=1)
    assert same_state(once.network, twice.network)
    assert once[1:] == twice[1:]
    files = [tmp_path / name / "checkpoint.safetensors" for name in ("once", "twice")]
    states = [load_checkpoint(path, package="lsp-distillation").models for path in files]
    assert all(
        torch.equal(value, states[1][name][key])
        for name, model in states[0].items()
        for key, value in model.items()
    )


def test_a_pass_that_waited_is_followed_by_the_next(tmp_path):
    # With the term it waits for two epochs after the second one; without it, after the third.
    waiting = Taught([0.0, 0.1, 0.5, 0.4, 0.3, 0.1, 0.2, 0.6, 0.5, 0.4])
    learned = run(tmp_path, waiting, epochs=8, patience=2)
    assert len(waiting.states) == 10
    assert (learned.epoch, learned.dropped, learned.validation) == (8 + 3, True, 0.6)
    again = Taught([])
    assert run(tmp_path, again, epochs=8, patience=2)[1:] == learned[1:]
    assert not again.wanted
