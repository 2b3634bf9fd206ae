"""The loop: bits that survive a kill, the best state, who moves, and two processes that equal one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import (
    NO_STRUCTURE,
    blocks,
    copied,
    metrics_of,
    same_state,
    student_config,
    teacher_config,
    unequal_graphs,
)
from torch import nn

from lsp_distillation.distillation import new_network
from lsp_distillation.graph_problem import GraphProblem
from lsp_distillation.learning import LABELS, Losses, agree_on_origin, learn, rate_at
from lsp_distillation.teacher_outputs import compute_outputs
from lsp_distillation.terms_config import AUTO, StructureConfig, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.checkpoints import load_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.testing import refusal

ALL = TermsConfig(
    hints=AUTO, soft_labels=0.5, attention=AUTO, relations=0.1, similarity=0.1,
    sampled_nodes=8, measure_after=2,
)  # fmt: skip
PAIRS = (("layers.0", "layers.0"),)


def teach(folder, task, config, *, double=False, stop_at=None):
    """Train a student of an untrained teacher; raise KeyboardInterrupt in the midst of a step."""
    teacher = new_network(teacher_config().network, task, seed=0, role="teacher")
    student = new_network(config.network, task, seed=1, role="student")
    if double:
        teacher, student = teacher.double(), student.double()
    outputs = compute_outputs(teacher, task, layers=["layers.0"], structure=config.terms.structure)
    widths = (config.network.width, teacher_config().network.width)
    problem = GraphProblem(
        task, config.training, terms=config.terms, teacher=outputs, pairs=PAIRS, widths=widths
    )
    inner = problem.losses

    def losses(network, step, *, wanted):
        if step == stop_at:
            raise KeyboardInterrupt
        return inner(network, step, wanted=wanted)

    problem.losses = losses
    learned = learn(
        config.training, folder, problem, student, record=config, terms=config.terms, device="cpu"
    )
    return learned, student, problem


CONFIG = student_config(ALL, epochs=9, batch_graphs=2, checkpoint_every=4)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    return folder, *teach(folder, unequal_graphs(), CONFIG)


@pytest.mark.parametrize("stop_at", [1, 8, 15, 25])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, uninterrupted, stop_at):
    folder, once, network, problem = uninterrupted
    with pytest.raises(KeyboardInterrupt):
        teach(tmp_path, unequal_graphs(), CONFIG, stop_at=stop_at)
    twice, other, again = teach(tmp_path, unequal_graphs(), CONFIG)
    assert same_state(network, other)
    assert same_state(once.network, twice.network)
    assert same_state(problem.hints, again.hints)
    assert once[1:] == twice[1:]
    assert once.weights["structure"] > 0
    assert once.weights["hints"] > 0
    files = [place / "checkpoint.safetensors" for place in (folder, tmp_path)]
    states = [load_checkpoint(path, package="lsp-distillation").models for path in files]
    assert states[0].keys() == states[1].keys() == {"network", "best", "weights", "hints", "first"}
    for name, model in states[0].items():
        assert all(torch.equal(model[key], states[1][name][key]) for key in model)
    for split, name in (("train", "loss"), ("train", "structure"), ("validation", "score")):
        assert metrics_of(folder, split, name) == metrics_of(tmp_path, split, name)


class Counter(nn.Module):
    """A network whose weight tells how often it was moved."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))


class Scores:
    """A problem whose validation scores are known beforehand."""

    constant_loss = 1.0
    steps_per_epoch = 2

    def __init__(self, scores):
        self.scores, self.steps, self.calls, self.states = scores, [], 0, []

    def modules(self):
        return {}

    def losses(self, network, step, *, wanted):
        self.steps.append(step)
        return Losses({LABELS: -network.weight}, ())

    def score(self, network, split):
        assert split == "val"
        self.calls += 1
        self.states.append(float(network.weight.detach()))
        return self.scores[self.calls - 1]


def run(folder, problem, **training):
    config = TrainingConfig(**({"epochs": len(problem.scores) - 1} | training))
    return learn(config, folder, problem, Counter(), record=config, device="cpu")


def test_the_best_validation_state_is_returned_and_of_equals_the_first(tmp_path):
    problem = Scores([0.1, 0.5, 0.9, 0.9, 0.2])
    learned = run(tmp_path, problem)
    assert (learned.epoch, learned.validation) == (2, 0.9)
    assert float(learned.network.weight.detach()) == problem.states[2]
    assert len(set(problem.states)) == 5
    assert metrics_of(tmp_path, "validation", "score") == problem.scores
    assert not learned.network.training


def test_the_first_state_can_be_the_best(tmp_path):
    learned = run(tmp_path, Scores([0.9, 0.5]))
    assert learned.epoch == 0
    assert float(learned.network.weight.detach()) == 0


def test_patience_ends_a_training_for_good(tmp_path):
    scores = [0.1, 0.5, 0.2, 0.3, 0.9, 0.9]
    first = Scores(scores)
    learned = run(tmp_path, first, patience=2, checkpoint_every=3)
    assert first.steps == list(range(1, 7))
    assert learned.epoch == 1
    again = Scores(scores)
    same = run(tmp_path, again, patience=2, checkpoint_every=3)
    assert (again.steps, again.calls) == ([], 0)
    assert same_state(same.network, learned.network)
    assert same[1:] == learned[1:]
    longer = Scores(scores)
    run(tmp_path / "patient", longer, patience=3)
    assert len(longer.steps) == 10


def test_a_finished_training_does_nothing_when_called_again(tmp_path):
    first = run(tmp_path, Scores([0.1, 0.5, 0.2]))
    again = Scores([0.1, 0.5, 0.2])
    second = run(tmp_path, again)
    assert again.steps == []
    assert same_state(first.network, second.network)


def test_rates():
    config = TrainingConfig(learning_rate=0.1)
    assert [rate_at(step, 4, config) for step in (1, 4)] == [0.1, 0.1]
    cosine = replace(config, cosine=True)
    assert [rate_at(step, 4, cosine) for step in (1, 3)] == pytest.approx([0.1, 0.05])
    assert rate_at(4, 4, cosine) > 0


def test_a_step_moves_the_student_and_the_map_of_hints_and_nothing_else(tmp_path):
    task = blocks()
    config = student_config(TermsConfig(hints=1.0, soft_labels=1.0), epochs=1)
    config = replace(config, terms=replace(config.terms, structure=StructureConfig(weight=1.0)))
    teacher = new_network(teacher_config().network, task, seed=0, role="teacher")
    student = new_network(config.network, task, seed=0, role="student")
    outputs = compute_outputs(teacher, task, layers=["layers.0"], structure=StructureConfig())
    problem = GraphProblem(
        task, config.training, terms=config.terms, teacher=outputs, pairs=PAIRS, widths=(3, 6)
    )
    everything = {"student": student, "hints": problem.hints, "teacher": teacher}
    before = {name: copied(module) for name, module in everything.items()}
    said = [tensor.clone() for tensor in (outputs.logits, outputs.features["layers.0"])]
    learn(
        config.training, tmp_path, problem, student, record=config, terms=config.terms, device="cpu"
    )
    for name, module in everything.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, before[name][key]) == (name == "teacher"), (name, key)
    assert torch.equal(said[0], outputs.logits)
    assert torch.equal(said[1], outputs.features["layers.0"])
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_an_automatic_weight_is_the_share_of_the_labels_gradient(tmp_path, monkeypatch):
    task = blocks()
    terms = TermsConfig(share=0.3, measure_after=3)
    config = student_config(terms, epochs=8)
    seen = {}
    from lsp_distillation import learning

    inner = learning._Loop._weigh

    def weigh(self, losses):
        inner(self, losses)
        grads = {
            name: float(torch.autograd.grad(term, losses.anchors[0], retain_graph=True)[0].norm())
            for name, term in losses.terms.items()
        }
        seen.update(grads)

    monkeypatch.setattr(learning._Loop, "_weigh", weigh)
    learned, _, _ = teach(tmp_path, task, config)
    weight = learned.weights["structure"]
    assert weight * seen["structure"] == pytest.approx(0.3 * seen["labels"], rel=1e-4)
    assert len(metrics_of(tmp_path, "train", "structure")) <= 8 - 3


def test_a_weight_that_was_never_set_is_reported_and_counts_as_none(tmp_path, caplog):
    learned, _, _ = teach(tmp_path, blocks(), student_config(TermsConfig(), epochs=2))
    assert learned.weights["structure"] == 0
    assert "ended before a weight was set for structure" in caplog.text


def test_divergence_is_one_sentence(tmp_path):
    config = student_config(TermsConfig(structure=NO_STRUCTURE), learning_rate=1e30)
    with pytest.raises(UserError, match=r"diverged at step \d+"):
        teach(tmp_path, blocks(), config)


def test_a_folder_of_another_origin_is_refused_by_name(tmp_path):
    agree_on_origin(tmp_path, {"graph": "a", "teacher": "b"})
    agree_on_origin(tmp_path, {"graph": "a", "teacher": "b"})
    for other, name in (({"graph": "x", "teacher": "b"}, "graph"), ({"graph": "a"}, "teacher")):
        with pytest.raises(UserError, match=f"another {name}"):
            agree_on_origin(tmp_path, other)
    (tmp_path / "origin.json").write_text("[1]")
    assert "damaged" in refusal(lambda: agree_on_origin(tmp_path, {"graph": "a"}))


TWO = TermsConfig(
    structure=StructureConfig(weight=AUTO), soft_labels=0.7, hints=0.5, measure_after=1
)
PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from test_learning import two_process_case, teach
from lsp_distillation.learning import joined_processes
with joined_processes(torch.device("cpu")):
    teach(Path(sys.argv[1]), *two_process_case(), double=True)
"""


def two_process_case():
    """Return graphs of unequal size in float64 and what is learned on them, two graphs a step."""
    task = unequal_graphs()
    task = task.with_features(task.x.double())
    network = replace(student_config().network, norm="batch")
    return task, student_config(TWO, network=network, epochs=4, batch_graphs=2)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path):
    task, config = two_process_case()
    alone, network, problem = teach(tmp_path / "one", task, config, double=True)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    subprocess.run(
        [*command, str(program), str(tmp_path / "two")],
        env=environment, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    together, other, again = teach(tmp_path / "two", task, config, double=True)
    assert alone.weights["structure"] == pytest.approx(together.weights["structure"], rel=1e-9)
    assert alone.weights["structure"] > 0
    for ours, theirs in ((network, other), (problem.hints, again.hints)):
        state = theirs.state_dict()
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, state[name], rtol=0, atol=1e-6, msg=name)
    losses = [metrics_of(tmp_path / name, "train", "structure") for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
