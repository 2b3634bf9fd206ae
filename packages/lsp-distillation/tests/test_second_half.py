"""The second half that is done twice: where epochs stand, what comes back, and who decides."""

import pytest
import torch
from test_learning import Counter
from tiny_training import metrics_of, same_state

from lsp_distillation.learning import LABELS, Losses, learn
from lsp_distillation.second_half import HalfWay, Timeline, timeline_of
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.checkpoints import load_checkpoint


def test_epochs_and_their_places():
    line = Timeline(7, teaches=True, twice=True)
    assert (line.shared, line.total, line.early) == (3, 11, 2)
    assert [line.place(epoch) for epoch in range(11)] == [0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6]
    assert [line.is_second(epoch) for epoch in range(11)] == [False] * 7 + [True] * 4


@pytest.mark.parametrize(
    ("structure", "epochs", "total", "early"),
    [
        (StructureConfig(), 120, 180, 20),
        (StructureConfig(weight=3.0), 8, 12, 2),
        (StructureConfig(), 1, 1, 1),
        (StructureConfig(schedule="always"), 120, 120, 20),
        (StructureConfig(schedule="first"), 120, 120, 20),
        (StructureConfig(weight=0.0), 120, 120, 0),
    ],
)
def test_only_a_validated_term_takes_longer(structure, epochs, total, early):
    line = timeline_of(epochs, structure)
    assert (line.total, line.early) == (total, early)


def test_a_state_half_way_comes_back_with_its_moments():
    network = torch.nn.Linear(3, 2)

    def optimizer_of(modules):
        return torch.optim.Adam([p for one in modules for p in one.parameters()], lr=0.1)

    def move():
        optimizer.zero_grad()
        network(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
        return network.weight.detach().clone()

    optimizer = optimizer_of([network])
    learners = {"network": network}
    kept = HalfWay(learners, optimizer_of)
    move()
    kept.keep(learners, optimizer)
    once = [move() for _ in range(3)]
    for _ in range(2):  # what was kept is not moved by what came after
        kept.give(learners, optimizer)
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


def run(folder, problem, *, epochs=6, schedule="validated", eased=0.0, **training):
    terms = TermsConfig(structure=StructureConfig(weight=1.0, schedule=schedule, eased=eased))
    config = TrainingConfig(epochs=epochs, **training)
    return learn(config, folder, problem, Counter(), record=config, terms=terms, device="cpu")


RISING = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.1, 0.2, 0.3]
"""Of six epochs and the second half of them."""


def test_the_second_half_begins_half_way_and_without_the_term(tmp_path):
    problem = Taught(RISING)
    run(tmp_path, problem, cosine=True)
    assert [step for step, wanted in problem.wanted.items() if not wanted] == list(range(13, 19))
    plain = Taught(RISING[:7])
    run(tmp_path / "plain", plain, schedule="always", cosine=True)
    assert [problem.states[e] for e in range(7)] == [plain.states[e] for e in range(7)]
    # the term outweighs the labels: with it the weight falls on and on
    assert all(problem.states[e + 1] < problem.states[e] for e in range(6))
    assert all(problem.states[e + 3] > problem.states[e] for e in (4, 5, 6))
    assert abs(problem.states[7] - problem.states[3]) < abs(problem.states[7] - problem.states[6])
    assert len(metrics_of(tmp_path, "validation", "score")) == 10


def test_a_part_of_the_term_pulls_less_than_the_whole(tmp_path):
    ends = {}
    for eased in (0.0, 0.2, 0.5):
        problem = Taught(RISING)
        run(tmp_path / str(eased), problem, eased=eased, cosine=True)
        assert set(problem.wanted.values()) == ({True, False} if eased == 0 else {True})
        ends[eased] = problem.states[9]
        whole = problem.states[6]
    assert ends[0.0] > ends[0.2] > ends[0.5] > whole


@pytest.mark.parametrize(
    ("scores", "epoch", "eased"),
    [
        (RISING, 6, False),
        ([*RISING[:8], 0.7, 0.7], 8, True),
        ([*RISING[:8], 0.6, 0.6], 6, False),
        ([0.9, 0.2, *RISING[2:]], 6, False),
        ([0.0, 0.9, *RISING[2:]], 1, False),
    ],
    ids=["kept", "eased", "of equals with the term", "not the untrained one", "from a sixth on"],
)
def test_validation_decides(tmp_path, scores, epoch, eased):
    problem = Taught(scores)
    learned = run(tmp_path, problem)
    assert (learned.epoch, learned.eased) == (epoch, eased)
    assert learned.validation == scores[epoch]
    assert float(learned.network.weight.detach()) == problem.states[epoch]


@pytest.mark.parametrize("stop_at", [5, 7, 12, 13, 16])
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


def test_patience_counts_in_each_half(tmp_path):
    falling = [0.0, 0.5, 0.4, 0.3, *[0.2] * 8]
    stopped = Taught(falling)
    run(tmp_path / "stopped", stopped, patience=2)
    assert len(stopped.states) == 4  # and there is no second half
    late = Taught([0.0, 0.1, 0.2, 0.3, 0.4, 0.8, 0.6, 0.1, 0.1, 0.1])
    learned = run(tmp_path / "late", late, patience=2)
    assert len(late.states) == 9
    assert learned.epoch == 5
