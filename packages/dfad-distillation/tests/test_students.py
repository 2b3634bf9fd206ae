import pytest
import torch

from dfad_distillation.registry import build_network
from dfad_distillation.students import half_student


@pytest.mark.parametrize(
    ("teacher", "arguments", "name", "width"),
    [
        ("lenet5", {}, "lenet5_half", None),
        ("resnet34_8x", {}, "resnet18_8x", 64),
        ("resnet34_8x", {"width": 16}, "resnet18_8x", 16),
        ("resnet18_8x", {"width": 16}, "resnet18_8x", 8),
        ("torchvision:resnet50", {}, "resnet18", None),
        ("unet", {}, "unet", 8),
        ("deeplabv3_resnet50", {}, "deeplabv3_mobilenetv2", None),
    ],
)
def test_known_teachers_have_the_students_of_the_paper(teacher, arguments, name, width):
    choice = half_student(teacher, shape=(3, 32, 32), classes=10, arguments=arguments)
    assert choice == (name, {} if width is None else {"width": width})


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (4, 96, 128)])
@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_any_other_teacher_gets_a_student_that_fits(shape, task):
    choice = half_student("mine:net", shape=shape, classes=5, task=task, parameters=60_000)
    student = choice.build(classes=5, channels=shape[0])
    assert 2 * sum(p.numel() for p in student.parameters()) <= 60_000
    outputs = student(torch.rand(2, *shape))
    assert outputs.shape == ((2, 5) if task == "classification" else (2, 5, *shape[1:]))


@pytest.mark.parametrize("name", ["lenet5", "resnet34_8x", "unet", "small_cnn"])
def test_students_are_smaller(name):
    def size(network):
        return sum(parameter.numel() for parameter in network.parameters())

    teacher = build_network(name, classes=10, channels=3)
    student = half_student(name, shape=(3, 32, 32), classes=10).build(classes=10, channels=3)
    assert size(student) < 0.6 * size(teacher)
