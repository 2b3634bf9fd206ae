"""Students: equal first weights, what each term does, every kind of target, and what is refused."""

from dataclasses import replace

import pytest
import torch
from tiny_training import (
    NO_STRUCTURE,
    PygTeacher,
    as_labels,
    as_numbers,
    blocks,
    copied,
    metrics_of,
    of_graphs,
    same_state,
    student_config,
    teacher_config,
    unequal_graphs,
)

from lsp_distillation import distillation
from lsp_distillation.comparison import fidelity_of
from lsp_distillation.distillation import distill, new_network, train_teacher
from lsp_distillation.graph_problem import GraphProblem
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.methods import METHODS, terms_of
from lsp_distillation.model_files import MODEL_FILE, Student
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.teacher_outputs import compute_outputs
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from tenfold_shared.errors import UserError
from tenfold_shared.testing import refusal

LABELS_ALONE = TermsConfig(structure=NO_STRUCTURE)


@pytest.fixture(scope="module")
def task():
    return blocks()


@pytest.fixture(scope="module")
def teacher(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    return train_teacher(teacher_config(), folder, task=task, device="cpu").student.network


def test_first_weights_depend_on_seed_and_role_alone(task):
    config = NetworkConfig(width=3)
    first = new_network(config, task, seed=3, role="student")
    torch.rand(7)
    assert same_state(first, new_network(config, task, seed=3, role="student"))
    assert not same_state(first, new_network(config, task, seed=4, role="student"))
    assert not same_state(first, new_network(config, task, seed=3, role="teacher"))


class StoppedError(Exception):
    """A training that is not wanted."""


def test_students_of_a_seed_begin_with_equal_weights_whatever_the_method(
    task, teacher, tmp_path, monkeypatch
):
    begun = []

    def stop(config, folder, problem, network, **more):
        begun.append(copied(network))
        raise StoppedError

    monkeypatch.setattr(distillation, "learn", stop)
    for method in METHODS:
        config = student_config(terms_of(method, TermsConfig()))
        torch.rand(len(begun) + 1)
        with pytest.raises(StoppedError):
            distill(config, tmp_path, task=task, teacher=teacher, seed=5, device="cpu")
    assert len(begun) == len(METHODS)
    for state in begun[1:]:
        assert all(torch.equal(state[name], begun[0][name]) for name in begun[0])


def taught(folder, task, teacher, terms, **more):
    config = student_config(terms, **({"epochs": 25} | more))
    return distill(config, folder, task=task, teacher=teacher, device="cpu")


def test_structure_brings_the_student_closer_by_the_ruler(task, teacher, tmp_path):
    strong = TermsConfig(structure=StructureConfig(weight=50.0, schedule="always"))
    found = {}
    for name, terms in (("labels", LABELS_ALONE), ("lsp", strong)):
        trained = taught(tmp_path / name, task, teacher, terms, epochs=60, learning_rate=0.03)
        found[name] = fidelity_of(trained.learned.network, teacher, task, student_config(terms))
    assert found["lsp"][0] < 0.6 * found["labels"][0]
    assert found["lsp"][2] > found["labels"][2]
    assert found["lsp"][1] == pytest.approx(found["labels"][1])  # the teacher alone decides


@pytest.mark.parametrize(
    ("name", "weight"),
    [("structure", 30.0), ("soft_labels", 3.0), ("attention", 5.0), ("relations", 5.0), ("similarity", 5.0)],
)  # fmt: skip
def test_each_term_lowers_its_own_loss_below_that_of_labels_alone(
    task, teacher, tmp_path, name, weight
):
    terms = (
        TermsConfig(structure=StructureConfig(weight=weight, schedule="always"))
        if name == "structure"
        else replace(LABELS_ALONE, **{name: weight})
    )
    pairs = (("layers.0", "layers.0"),)
    outputs = compute_outputs(teacher, task, layers=["layers.0"], structure=terms.structure)
    problem = GraphProblem(
        task, student_config().training, terms=terms, teacher=outputs, pairs=pairs
    )
    losses = {}
    for method, chosen in (("labels", LABELS_ALONE), (name, terms)):
        # the last state: the best one may be the first
        folder = tmp_path / method
        taught(folder, task, teacher, chosen, learning_rate=0.03)
        network = new_network(student_config().network, task, seed=0, role="student")
        _restore_last(folder, network)
        found = problem.losses(network, 1, wanted={name})
        losses[method] = float(found.terms[name].detach())
    assert losses[name] < 0.8 * losses["labels"]


def _restore_last(folder, network):
    """Load the state after the last step."""
    from tenfold_shared.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(folder / "checkpoint.safetensors", package="lsp-distillation")
    checkpoint.restore(models={"network": network})


def test_hints_fall(task, teacher, tmp_path):
    taught(tmp_path, task, teacher, replace(LABELS_ALONE, hints=1.0))
    seen = metrics_of(tmp_path, "train", "hints")
    assert len(seen) == 25
    assert seen[-1] < 0.7 * seen[0]


KINDS = {
    "classes": blocks,
    "labels": lambda: as_labels(blocks()),
    "numbers": lambda: as_numbers(blocks()),
    "graphs": lambda: of_graphs(unequal_graphs(sizes=(4, 14, 6, 11, 5, 12, 7, 13, 5, 11))),
    "several graphs": unequal_graphs,
}


ALL_AT_ONCE, SOME_GRAPHS = {}, {"batch_graphs": 2}
SAMPLED = {"fanouts": (3, 2), "batch_nodes": 9}


@pytest.mark.parametrize(
    ("kind", "batch"),
    [
        *((kind, ALL_AT_ONCE) for kind in KINDS),
        *((kind, SOME_GRAPHS) for kind in ("graphs", "several graphs")),
        *((kind, SAMPLED) for kind in ("classes", "labels", "numbers", "several graphs")),
    ],
)
def test_every_kind_of_target_trains_end_to_end(tmp_path, kind, batch):
    task = KINDS[kind]()
    if ("batch_graphs" in batch and task.graph_of_node is None) or (
        "fanouts" in batch and task.level == "graph"
    ):
        pytest.skip("cannot be divided so")
    config = teacher_config(learning_rate=0.05, epochs=8)
    guide = train_teacher(config, tmp_path / "teacher", task=task, device="cpu")
    terms = TermsConfig(soft_labels=1.0, measure_after=1)
    trained = taught(
        tmp_path / "student", task, guide.student.network, terms, learning_rate=0.05, epochs=8, **batch
    )  # fmt: skip
    losses = metrics_of(tmp_path / "student", "train", "labels")
    assert min(losses[6:8]) < 0.95 * losses[0]  # at the end of the pass with all terms
    scores = metrics_of(tmp_path / "student", "validation", "score")
    assert trained.learned.validation == max(scores)
    assert len(scores) == 9 + 8  # and the pass without the structure term
    assert trained.learned.weights["structure"] > 0
    assert trained.student.predict(task).shape == (task.items, task.outputs)
    assert trained.student.evaluate(task, "val")[0].value == pytest.approx(
        abs(trained.learned.validation)
    )


def test_what_the_teacher_said_teaches_the_same_bits(task, teacher, tmp_path):
    terms = TermsConfig(soft_labels=1.0, hints=1.0, measure_after=2)
    outputs = compute_outputs(teacher, task, layers=["layers.0"], structure=terms.structure)
    ones = [
        taught(tmp_path / name, task, one, terms, epochs=6)
        for name, one in (("network", teacher), ("outputs", outputs))
    ]
    assert same_state(ones[0].learned.network, ones[1].learned.network)
    assert ones[0].learned.weights == ones[1].learned.weights


def test_a_network_of_pyg_teaches_through_its_layers(task, tmp_path):
    teacher = PygTeacher()
    guessed = taught(tmp_path / "guessed", task, teacher, TermsConfig(measure_after=1), epochs=4)
    assert guessed.student.about["layers"] == [["inner", "layers.0"]]
    named = distill(
        student_config(TermsConfig(measure_after=1), epochs=4), tmp_path / "named",
        task=task, teacher=teacher, layers=(("outer", "layers.1"),), device="cpu",
    )  # fmt: skip
    assert named.student.about["layers"] == [["outer", "layers.1"]]
    assert guessed.learned.weights["structure"] > 0
    assert named.learned.weights["structure"] > 0
    terms = TermsConfig(structure=StructureConfig(layers=("inner:layers.0", "outer:layers.1")))
    both = taught(tmp_path / "both", task, teacher, terms, epochs=8)
    assert both.student.about["layers"] == [["inner", "layers.0"], ["outer", "layers.1"]]
    with pytest.raises(ValueError, match=r"no layer 'middle'; its layers are inner"):
        distill(
            student_config(), tmp_path / "wrong",
            task=task, teacher=teacher, layers=(("middle", "layers.0"),), device="cpu",
        )  # fmt: skip


def test_the_best_validation_state_is_written(task, teacher, tmp_path):
    trained = taught(tmp_path, task, teacher, TermsConfig())
    scores = metrics_of(tmp_path, "validation", "score")
    assert trained.learned.epoch == scores.index(max(scores))
    assert scores[-1] <= max(scores)
    again = Student.load(tmp_path / MODEL_FILE)
    assert same_state(again.network, trained.learned.network)
    assert again.evaluate(task, "val")[0].value == pytest.approx(max(scores))
    assert again.about["best epoch"] == trained.learned.epoch


@pytest.mark.parametrize(
    ("what", "structure", "change"),
    [
        ("graph", {}, lambda task: blocks(seed=1).with_features(task.x)),
        ("features", {}, lambda task: task.with_features(task.x + 1)),
        ("kernel", {"kernel": KernelConfig(bandwidth=2.0)}, lambda task: task),
        ("self-loops", {"self_loops": "add"}, lambda task: task),
    ],
)
def test_outputs_of_something_else_are_refused(task, teacher, tmp_path, what, structure, change):
    outputs = compute_outputs(teacher, task, layers=["layers.0"], structure=StructureConfig())
    terms = TermsConfig(structure=StructureConfig(**structure))
    with pytest.raises(ValueError, match=f"stale: they were computed with another {what}"):
        taught(tmp_path, change(task), outputs, terms)


def test_outputs_without_the_layer_are_refused(task, teacher, tmp_path):
    without = compute_outputs(teacher, task, layers=[], structure=StructureConfig())
    with pytest.raises(ValueError, match="hold the layers none, and the terms need one"):
        taught(tmp_path, task, without, TermsConfig())
    outputs = compute_outputs(teacher, task, layers=["layers.1"], structure=StructureConfig())
    terms = TermsConfig(structure=StructureConfig(layers=("layers.0:layers.0",)))
    with pytest.raises(ValueError, match=r"hold the layers layers.1, and the terms need layers.0"):
        taught(tmp_path, task, outputs, terms)


def test_a_folder_of_another_run_is_refused_naming_what_differs(task, teacher, tmp_path):
    terms = TermsConfig(soft_labels=1.0, structure=NO_STRUCTURE)
    taught(tmp_path, task, teacher, terms, epochs=2)
    with torch.no_grad():
        changed = train_like(teacher, task)
    cases = {
        "teacher": lambda: taught(tmp_path, task, changed, terms, epochs=2),
        "features": lambda: taught(tmp_path, task.with_features(task.x + 1), teacher, terms, epochs=2),
        "graph": lambda: taught(
            tmp_path, blocks(seed=1).with_features(task.x), teacher, terms, epochs=2
        ),
        "split": lambda: taught(
            tmp_path, replace(task, val_mask=task.test_mask, test_mask=task.val_mask), teacher, terms, epochs=2
        ),
        "settings": lambda: taught(tmp_path, task, teacher, terms, epochs=3),
    }  # fmt: skip
    for what, call in cases.items():
        with pytest.raises(UserError, match=what):
            call()
    taught(tmp_path, task, teacher, terms, epochs=2)


def train_like(teacher, task):
    """Return a network like the teacher with other weights."""
    return new_network(teacher.config, task, seed=9, role="teacher")


def test_a_teacher_of_other_classes_is_refused(task, tmp_path):
    other = new_network(teacher_config().network, as_numbers(task), seed=0, role="teacher")
    with pytest.raises(ValueError, match="another number of classes"):
        taught(tmp_path, task, other, TermsConfig())


def test_a_seed_of_another_run_is_refused(task, tmp_path):
    train_teacher(teacher_config(epochs=1), tmp_path, task=task, seed=0, device="cpu")
    sentence = refusal(
        lambda: train_teacher(teacher_config(epochs=1), tmp_path, task=task, seed=1, device="cpu")
    )
    assert "seed" in sentence
