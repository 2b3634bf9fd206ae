"""A teacher from labels, and a student from labels and a teacher, on point clouds with dynamic graphs."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from lsp_distillation.cloud_config import CloudAugmentation
from lsp_distillation.cloud_data import CloudTask
from lsp_distillation.cloud_problem import CloudProblem, cloud_logits
from lsp_distillation.distillation import Trained, matched_layers, needs_layers
from lsp_distillation.fidelity_ruler import StructureFidelity, dynamic_structure_fidelity
from lsp_distillation.learning import Learned, joined_processes, learn
from lsp_distillation.metrics import Score, score_predictions
from lsp_distillation.model_files import MODEL_FILE, Reading, Student
from lsp_distillation.network_config import PointNetworkConfig
from lsp_distillation.networks import build_network
from lsp_distillation.taps import LayerTaps
from lsp_distillation.teacher_outputs import digest_of_module, digest_of_tensors
from lsp_distillation.terms_config import LABELS_ALONE
from lsp_distillation.training_config import DistillConfig, TrainConfig
from tenfold_shared.devices import choose_device
from tenfold_shared.distributed import current_world
from tenfold_shared.seeds import seed_global_state

DEFAULT_AUGMENTATION = CloudAugmentation(scale=0.2, shift=0.1)
"""As DGCNN's training has it, less on the scale."""


def train_on_clouds(
    config: TrainConfig,
    folder: Path,
    *,
    task: CloudTask,
    teacher: nn.Module | None = None,
    augmentation: CloudAugmentation = DEFAULT_AUGMENTATION,
    seed: int = 0,
    device: str = "auto",
) -> Trained:
    """Train a network on labels, or (with a `DistillConfig` and a teacher) on labels and the teacher.

    Args:
        config: All settings; `points` is the network.
        folder: Run folder.
        task: Clouds, with parts `train` and `val`.
        teacher: Any network on clouds with edge convolutions; it runs in every step, since clouds are changed.
        augmentation: Of training clouds.
        seed: Of everything random; networks of one seed begin with the same weights.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        UserError: The training diverged, or the folder belongs to another run.
        ValueError: Teacher, clouds and settings do not fit.
    """
    place = choose_device(device)
    terms = config.terms if isinstance(config, DistillConfig) else LABELS_ALONE
    with joined_processes(place):
        role = "teacher" if teacher is None else "student"
        network = new_point_network(config.points, task, seed=seed, role=role).to(place)
        here, guide = _moved(task, place), teacher if teacher is None else teacher.to(place)
        pairs: tuple[tuple[str, str], ...] = ()
        widths = (1, 1)
        if guide is not None and needs_layers(terms):
            pairs = matched_layers(terms.structure, guide, network)
            widths = _widths(network, guide, here.points[:1], pairs[0])
        problem = CloudProblem(
            here,
            config.training,
            augmentation=augmentation,
            terms=terms,
            teacher=guide,
            pairs=pairs,
            widths=widths,
            seed=seed,
        )
        learned = learn(
            config.training,
            folder,
            problem,
            network,
            record=config,
            origin=_origin(task, teacher, augmentation),
            terms=terms,
            seed=seed,
            device=place,
        )
        return _finish(config, folder, task, learned, seed=seed)


def _origin(
    task: CloudTask, teacher: nn.Module | None, augmentation: CloudAugmentation
) -> dict[str, str]:
    """Return digests of what a run learns from."""
    masks = [mask for mask in (task.train_mask, task.val_mask, task.test_mask) if mask is not None]
    return {
        "clouds": digest_of_tensors([task.points, task.y]),
        "split": digest_of_tensors(masks),
        "teacher": "" if teacher is None else digest_of_module(teacher),
        "augmentation": repr(augmentation),
    }


def _finish(
    config: TrainConfig, folder: Path, task: CloudTask, learned: Learned, *, seed: int
) -> Trained:
    """Write the best state and return it."""
    reading = Reading(
        features=task.points.shape[2],
        outputs=task.classes,
        task="multiclass",
        level="graph",
        class_names=task.class_names,
    )
    about = {
        "seed": seed,
        "data": task.name,
        "points": task.points.shape[1],
        "epochs": config.training.epochs,
        "best epoch": learned.epoch,
        "validation": learned.validation,
    }
    student = Student(learned.network.cpu(), config.points, reading, about=about)
    if current_world().is_first:
        student.save(folder / MODEL_FILE)
    return Trained(student, learned)


def new_point_network(
    config: PointNetworkConfig, task: CloudTask, *, seed: int, role: str
) -> nn.Module:
    """Return a network for clouds with the first weights of a seed and a role (`teacher`, `student`)."""
    points = task.points.shape[1]
    if points <= config.neighbors:
        raise ValueError(
            f"a cloud must have more points than neighbors ({config.neighbors}), got {points}; take more points or "
            "set points.neighbors"
        )
    seed_global_state(seed, role)
    return build_network(config, features=task.points.shape[2], outputs=task.classes)


def evaluate_on_clouds(
    network: nn.Module, task: CloudTask, part: str = "test"
) -> tuple[Score, ...]:
    """Return accuracy and mean class accuracy on a part."""
    points, labels = task.part(part)
    device = next(network.parameters()).device
    return score_predictions("multiclass", cloud_logits(network, points.to(device)).cpu(), labels)


@torch.inference_mode()
def cloud_fidelity(
    student: nn.Module,
    teacher: nn.Module,
    task: CloudTask,
    pair: tuple[str, str],
    *,
    limit: int = 200,
) -> StructureFidelity:
    """Compare local structures over the union of both networks' graphs, on the first test clouds.

    Args:
        student: In any mode; it is left in evaluation mode.
        teacher: The same.
        task: Clouds with a part `test`.
        pair: Matched layers (teacher, student).
        limit: Clouds at most.
    """
    points = task.part("test", limit=limit).points
    found = []
    for network, name in ((student.eval(), pair[1]), (teacher.eval(), pair[0])):
        device = next(network.parameters()).device
        with LayerTaps(network, (name,)) as taps:
            network(points.to(device))
        found.append((taps[name].cpu(), taps.neighbors[name].cpu()))
    (z_s, n_s), (z_t, n_t) = found
    return dynamic_structure_fidelity(z_s, z_t, n_s, n_t)


def _moved(task: CloudTask, device: torch.device) -> CloudTask:
    """Return the clouds on a device."""
    masks = {
        name: mask.to(device)
        for name in ("train_mask", "val_mask", "test_mask")
        if (mask := getattr(task, name)) is not None
    }
    return replace(task, points=task.points.to(device), y=task.y.to(device), **masks)


@torch.inference_mode()
def _widths(
    network: nn.Module, teacher: nn.Module, points: torch.Tensor, pair: tuple[str, str]
) -> tuple[int, int]:
    """Return the widths of a matched pair, the student's first."""
    sizes = []
    for one, name in ((network, pair[1]), (teacher, pair[0])):
        before = one.training
        with LayerTaps(one.eval(), (name,)) as taps:
            one(points)
        one.train(before)
        sizes.append(taps[name].shape[-1])
    return sizes[0], sizes[1]
