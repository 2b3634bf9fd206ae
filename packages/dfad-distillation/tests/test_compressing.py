"""One call from a teacher to a student's file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_game import CONFIG, tiny_pair
from torch import nn

from dfad_distillation.compressing import compress, prepare_student
from dfad_distillation.config import DistillationConfig, InputSpace, RegularizerConfig
from dfad_distillation.distillation import DistillationResult
from dfad_distillation.generators import Generator
from dfad_distillation.model_files import PACKAGE, save_model
from dfad_distillation.networks import SmallCNN, lenet5
from dfad_distillation.outputs import ComputedOutput
from dfad_distillation.pairing import (
    PAIR,
    Student,
    Teacher,
    agree_on_pair,
    open_saved,
    open_teacher,
)
from dfad_distillation.progress import paint_bank, score
from dfad_distillation.run_files import open_run
from dfad_distillation.student_record import TEMPERATURE, find_temperature
from dfad_distillation.weight_files import fit_weights, read_weights
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.runs import CHECKPOINT_NAME


def test_networks_in_memory_are_compressed_and_can_be_read_again(tmp_path: Path):
    teacher, student = tiny_pair()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    result = compress(teacher, tmp_path, student=student, config=CONFIG, device="cpu")
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert [one.round for one in result.table] == [2, 4, 6]
    _, again = tiny_pair()
    path = tmp_path / "student.safetensors"
    fit_weights(again, read_weights(path), path=path)
    pictures = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(again.eval()(pictures), result.student(pictures))


def test_a_smaller_student_is_chosen_and_its_file_rebuilds_it(tmp_path: Path):
    teacher, _ = tiny_pair()
    result = compress(teacher, tmp_path, config=replace(CONFIG, rounds=1), device="cpu")
    saved = open_saved(tmp_path / "student.safetensors")
    assert saved.source == "small_cnn"
    assert saved.input == CONFIG.input
    assert saved.about["teacher"].endswith(":Sequential")
    pictures = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(saved.module(pictures), result.student(pictures))


def test_a_teacher_in_memory_needs_its_input(tmp_path: Path):
    teacher, _ = tiny_pair()
    with pytest.raises(ValueError, match="input must say"):
        compress(teacher, tmp_path)
    assert not list(tmp_path.iterdir())


def test_outputs_of_both_can_be_named(tmp_path: Path):
    class Named(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, pictures):
            return {"out": self.body(pictures)}

    teacher, student = map(Named, tiny_pair())
    config = replace(CONFIG, rounds=1)
    with pytest.raises(UserError, match="dictionary"):
        compress(teacher, tmp_path / "a", student=student, config=config, device="cpu")
    result = compress(
        teacher, tmp_path / "b", student=student, config=config, device="cpu",
        teacher_outputs="out", student_outputs="out",
    )  # fmt: skip
    assert result.student(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_a_teacher_in_memory_and_the_global_randomness_are_given_back(tmp_path: Path):
    teacher, student = tiny_pair()
    teacher.train()
    teacher[1].eval()
    teacher[0].bias.requires_grad_(False)
    teacher[0].weight.grad = torch.ones_like(teacher[0].weight)

    def state() -> list[object]:
        tensors = [*teacher.parameters(), *teacher.buffers()]
        told = [(one.stride(), one.data_ptr(), one.requires_grad, one.device) for one in tensors]
        modes = [one.training for one in teacher.modules()]
        return [told, modes, teacher[0].weight.grad.stride(), torch.get_rng_state().tolist()]

    before = state()
    result = compress(teacher, tmp_path / "a", student=student, config=CONFIG, device="cpu")
    assert state() == before
    assert len(result.table) == 3
    compress(teacher, tmp_path / "b", config=replace(CONFIG, rounds=1), device="cpu")
    assert state() == before


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_another_precision_compute_in_single(tmp_path: Path, precision: torch.dtype):
    teacher, student = tiny_pair()
    teacher, student = teacher.to(precision), student.to(precision)
    teacher[0].weight.grad = torch.ones_like(teacher[0].weight)
    with pytest.raises(RuntimeError, match="type"):
        teacher(torch.zeros(2, *CONFIG.input.shape))
    result = compress(teacher, tmp_path, student=student, config=CONFIG, device="cpu")
    tensors = (*teacher.parameters(), teacher[1].running_mean, teacher[0].weight.grad)
    assert {one.dtype for one in tensors} == {precision}
    assert {one.dtype for one in result.student.parameters()} == {torch.float32}


def test_students_in_memory_must_have_something_to_train(tmp_path: Path):
    teacher, student = tiny_pair()
    with pytest.raises(UserError, match="no weights to train"):
        compress(teacher, tmp_path, student=student.requires_grad_(False), config=CONFIG)
    student = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(UserError, match="the student has lazy layers"):
        compress(teacher, tmp_path, student=student, config=CONFIG)
    assert not list(tmp_path.iterdir())


def test_a_student_shares_no_weights_with_its_teacher(tmp_path: Path):
    teacher, student = tiny_pair()
    student.append(nn.Identity())
    compress(teacher, tmp_path / "apart", student=student, config=CONFIG, device="cpu")
    shared = nn.Sequential(teacher[0], nn.Flatten(), nn.LazyLinear(4))
    shared(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="shares weights with the teacher"):
        compress(teacher, tmp_path / "shared", student=shared, config=CONFIG, device="cpu")


def test_a_function_may_make_logits_of_what_a_teacher_returns(tmp_path: Path):
    class Nested(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, pictures):
            return {"heads": [self.body(pictures)]}

    teacher, student = tiny_pair()
    settings = {"config": replace(CONFIG, rounds=2), "device": "cpu"}
    plain = compress(teacher, tmp_path / "a", student=student, **settings)
    _, student = tiny_pair()
    computed = compress(
        Nested(teacher), tmp_path / "b", student=student,
        teacher_outputs=lambda answer: answer["heads"][0], **settings,
    )  # fmt: skip
    assert torch.equal(computed.student[0].weight, plain.student[0].weight)


def test_random_teachers_and_unknown_inputs_are_refused(tmp_path: Path):
    space = InputSpace(shape=(3, 32, 32), mean=(0.5,), std=(0.5,))
    for source in ("lenet5", "torchvision:resnet18", "resnet18"):
        with pytest.raises(UserError, match=r"random weights.*--teacher-weights"):
            compress(source, tmp_path / "run", input=space)
    with pytest.raises(UserError, match="nothing says which pictures user_networks:make reads"):
        compress("user_networks:make", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    path = tmp_path / "teacher.safetensors"
    about = {"input": InputSpace(), "classes": tuple("abcdefghij"), "about": {}}
    save_model(path, lenet5(10), source="lenet5", arguments={}, **about)
    teacher = open_teacher(str(path), input=InputSpace(), default=InputSpace())
    assert teacher.input == InputSpace(), "a file of train may know that it is the default"


def test_one_value_for_all_channels_is_the_same_input(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    space = InputSpace(shape=(3, 8, 8), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    network = SmallCNN(2, channels=3, width=2)
    about = {"input": space, "classes": ("a", "b"), "about": {}}
    save_model(path, network, source="small_cnn", arguments={"width": 2}, **about)
    short = InputSpace(shape=(3, 8, 8), mean=(0.5,), std=(0.25,))
    assert open_saved(path).input == short
    assert open_teacher(str(path), input=InputSpace(), default=InputSpace()).input == short
    differing = replace(space, mean=(0.5, 0.5, 0.4))
    assert open_teacher(str(path), input=differing).input == differing


def test_a_student_starts_from_its_weights_and_fits_its_teacher(tmp_path: Path):
    module, _ = tiny_pair()
    teacher = Teacher(module=module, source="a:b", arguments={}, input=CONFIG.input)
    path = tmp_path / "weights.pth"
    torch.save(SmallCNN(3, channels=1, width=4).state_dict(), path)  # noqa: TID251
    settings = {"arguments": {"width": 4}, "seed": 0}
    started = prepare_student(CONFIG, teacher, "small_cnn", weights=path, **settings).module
    assert all(torch.equal(v, started.state_dict()[k]) for k, v in read_weights(path).items())
    fresh = prepare_student(CONFIG, teacher, "small_cnn", **settings).module
    assert not torch.equal(next(fresh.parameters()), next(started.parameters()))
    with pytest.raises(UserError, match="build the student with as many outputs"):
        prepare_student(CONFIG, teacher, SmallCNN(4, channels=1, width=4), seed=0)
    with pytest.raises(ValueError, match="the teacher itself"):
        prepare_student(CONFIG, teacher, module, seed=0)


def test_the_file_tells_rounds_and_the_agreement_of_what_it_holds(tmp_path: Path):
    teacher, student = tiny_pair()
    config = replace(CONFIG, rounds=4, states=4, select=True, reestimate=3, schedule="constant")
    result = compress(teacher, tmp_path, student=student, config=config, seed=2, device="cpu")
    path = tmp_path / "student.safetensors"
    _, again = tiny_pair()
    fit_weights(again, read_weights(path), path=path)
    run = open_run(tmp_path)
    painted = {"generator": result.generator, "teacher": teacher, "count": config.bank, "seed": 2}
    true = score(again.eval(), paint_bank(tmp_path, run.snapshots, **painted), number=result.chosen)
    about = load_checkpoint(path, package=PACKAGE).metadata["about"]
    kept = {
        one["round"]: one for one in json.loads((tmp_path / "progress.json").read_text())["states"]
    }
    assert result.chosen < 4, "test invalid: the last state was chosen"
    assert kept[result.chosen]["distance"] != pytest.approx(true.distance), "test invalid"
    assert (about["rounds"], about["state"]) == (4, result.chosen)
    assert about["agreement"] == true.agreement
    told = next(one for one in result.table if one.round == result.chosen)
    assert told == pytest.approx(true, rel=1e-5)
    assert 0.01 < about[TEMPERATURE] < 100


def test_the_temperature_makes_a_student_as_sure_as_its_teacher():
    teacher, _ = tiny_pair()

    class Shouting(nn.Module):
        def forward(self, pictures):
            return 3 * teacher(pictures)

    generator = Generator(CONFIG.generator, CONFIG.input)
    result = DistillationResult(Shouting(), generator, [], 1)
    assert find_temperature(result, teacher, batch=16, seed=0) == pytest.approx(3, abs=1e-3)


def _begin(folder: Path) -> None:
    """Write what a run has once it has begun."""
    models = {"generator": nn.Linear(1, 1), "student": nn.Linear(1, 1)}
    save_checkpoint(folder / CHECKPOINT_NAME, models=models, package=PACKAGE)


def test_a_run_folder_belongs_to_its_networks(tmp_path: Path):
    modules = tiny_pair()
    space = InputSpace(shape=(1, 8, 8))
    teacher = Teacher(module=modules[0], source="a:b", arguments={}, input=space)
    student = Student(modules[1], "c:d", {})
    agree_on_pair(
        tmp_path, teacher, student._replace(source="x:y"), DistillationConfig(input=space)
    )
    agree_on_pair(tmp_path, teacher, student, DistillationConfig(input=space))
    _begin(tmp_path)
    agree_on_pair(tmp_path, teacher, student, DistillationConfig(input=space))
    with pytest.raises(UserError, match="another student"):
        agree_on_pair(
            tmp_path, teacher, student._replace(source="e:f"), DistillationConfig(input=space)
        )
    with torch.no_grad():
        next(modules[0].parameters()).add_(1)
    with pytest.raises(UserError, match="another teacher"):
        agree_on_pair(tmp_path, teacher, student, DistillationConfig(input=space))


def test_a_teacher_is_known_by_its_answers(tmp_path: Path):
    class Other(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.module = body

        def forward(self, pictures):
            return -self.module(pictures)

    module, small = tiny_pair()
    teacher = Teacher(module=module, source="a:b", arguments={}, input=CONFIG.input)
    same = ComputedOutput(module, function=lambda answer: answer)
    wrapped = replace(teacher, module=same, source="elsewhere:b")
    student = Student(small, "c:d", {})
    agree_on_pair(tmp_path, wrapped, student, CONFIG)
    _begin(tmp_path)
    agree_on_pair(tmp_path, replace(wrapped, source="c:d"), student, CONFIG)
    other = replace(teacher, module=Other(module))
    assert other.fingerprint() == wrapped.fingerprint(), "test invalid"
    with pytest.raises(UserError, match="another teacher, of the same weights"):
        agree_on_pair(tmp_path, other, student, CONFIG)


@pytest.mark.parametrize("fault", ["student", "batch", "statistics"])
def test_a_refused_attempt_leaves_a_folder_as_it_was(tmp_path: Path, fault: str):
    teacher, student = tiny_pair()
    config = replace(CONFIG, rounds=1, states=1)
    folder = tmp_path / "run"
    if fault == "batch":  # an older run without a note, with other settings
        compress(teacher, folder, student=student, config=config, device="cpu")
        (folder / PAIR).unlink()
        kept = {path: path.read_bytes() for path in folder.glob("*.safetensors")}
        with pytest.raises(UserError, match="batch"):
            compress(
                teacher, folder, student=student, config=replace(config, batch=8), device="cpu"
            )
        assert not (folder / PAIR).exists()
        assert all(path.read_bytes() == content for path, content in kept.items())
    elif fault == "student":
        wrong = SmallCNN(5, channels=1, width=2)
        with pytest.raises(UserError, match="as many outputs"):
            compress(teacher, folder, student=wrong, config=config, device="cpu")
        assert not folder.exists()
    else:
        plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
        terms = replace(config, regularizers=RegularizerConfig(batch_statistics=1.0))
        with pytest.raises(ValueError, match="no batch normalization"):
            compress(plain, folder, student=student, config=terms, device="cpu")
        assert not folder.exists()
    result = compress(teacher, folder, student=tiny_pair()[1], config=config, device="cpu")
    assert result.chosen == 1
    assert (folder / PAIR).exists()


def test_a_folder_of_another_verb_is_named(tmp_path: Path):
    teacher, student = tiny_pair()
    save_checkpoint(tmp_path / CHECKPOINT_NAME, models={"network": teacher}, package=PACKAGE)
    with pytest.raises(UserError, match="holds a run of train"):
        compress(teacher, tmp_path, student=student, config=CONFIG, device="cpu")
    save_checkpoint(tmp_path / CHECKPOINT_NAME, models={"network": teacher}, package="din-style")
    with pytest.raises(UserError, match="holds a run of din-style"):
        compress(teacher, tmp_path, student=student, config=CONFIG, device="cpu")
    assert not (tmp_path / PAIR).exists()


def test_a_file_names_no_foreign_code(tmp_path: Path):
    network = SmallCNN(2, channels=1, width=2)
    path = tmp_path / "student.safetensors"
    space = InputSpace(shape=(1, 8, 8))
    save_model(path, network, source="os:system", arguments={}, input=space, classes=("a", "b"), about={})  # fmt: skip
    with pytest.raises(UserError, match="--constructor"):
        open_saved(path)
    code = "dfad_distillation.networks:SmallCNN"
    saved = open_saved(path, constructor=code, arguments={"classes": 2, "channels": 1, "width": 2})
    for kept in ({}, {"classes": 2, "channels": 1, "width": 2}):
        save_model(path, network, source="a:b", arguments=kept, input=space, classes=("a", "b"), about={})  # fmt: skip
        if kept:
            assert open_saved(path, constructor=code).arguments == kept
        else:
            with pytest.raises(UserError, match="use the settings"):
                open_saved(path, constructor=code)
    assert torch.equal(saved.module(torch.ones(2, 1, 8, 8)), network.eval()(torch.ones(2, 1, 8, 8)))
