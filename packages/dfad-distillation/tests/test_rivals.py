"""Rivals learn as their papers say: each step goes down the loss it names, and moves nobody else."""

import copy
from dataclasses import replace

import pytest
import torch
from tiny_game import CONFIG, tiny_pair

from dfad_distillation import rivals
from dfad_distillation.comparison import on_noise
from dfad_distillation.discrepancy import divergence
from dfad_distillation.equal_seconds import train_for
from dfad_distillation.generators import Generator
from dfad_distillation.rivals import (
    Setting,
    dafl,
    gaussian_noise,
    imitation,
    real_pictures,
    untrained_generator,
    zskt,
)
from tenfold_shared.seeds import seed_global_state, torch_stream

SPACE = CONFIG.input


def on_untrained(setting):
    return imitation(setting, untrained_generator(setting.config, seed=0))


ALL = {"noise": on_noise, "untrained": on_untrained, "dafl": dafl, "zskt": zskt}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module, before):
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("name", ALL)
def test_a_rival_moves_the_student_alone_and_leaves_no_gradient(name):
    teacher, student = tiny_pair()
    before, first = state(teacher), state(student)
    train_for(3, ALL[name], Setting(CONFIG, teacher, student, 0))
    assert changed(student, first)
    assert not changed(teacher, before)
    assert not student.training
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())


@pytest.mark.parametrize("name", ALL)
def test_a_seed_and_a_number_of_steps_give_the_same_student(name):
    teacher, student = tiny_pair()

    def trained(seed):
        torch.rand(seed + 3)  # whatever was drawn before
        return state(train_for(3, ALL[name], Setting(CONFIG, teacher, copy.deepcopy(student), seed)))  # fmt: skip

    first, again, other = trained(1), trained(1), trained(2)
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert any(not torch.equal(value, other[key]) for key, value in first.items())


def test_sources_are_pure_functions_of_seed_and_step():
    images = torch.arange(100.0).view(100, 1, 1, 1)
    source = real_pictures(images, batch=32, seed=1)
    assert torch.equal(source(3), real_pictures(images, batch=32, seed=1)(3))
    assert not torch.equal(source(3), source(4))
    noise = gaussian_noise((1, 8, 8), batch=200, seed=0)(1)
    assert noise.shape == (200, 1, 8, 8)
    assert abs(float(noise.std()) - 1) < 0.05
    drawn = untrained_generator(CONFIG, seed=0)(1)
    assert drawn.shape == (16, *SPACE.shape)
    assert not drawn.requires_grad


def test_real_pictures_teach_more_than_noise():
    teacher, student = tiny_pair()
    images = torch.randn(256, *SPACE.shape) * 0.3 + torch.linspace(-3, 3, 8)[:, None]
    config = replace(CONFIG, student_rate=0.05)

    def distance(source):
        own = copy.deepcopy(student)
        train_for(60, lambda s: imitation(s, source), Setting(config, teacher, own, 0))
        with torch.no_grad():
            return float((own(images) - teacher(images)).abs().mean())

    real = distance(real_pictures(images, batch=16, seed=0))
    assert real < distance(gaussian_noise(SPACE.shape, batch=16, seed=0))


@pytest.fixture
def painter(monkeypatch):
    """Let rivals use this generator, so that a test sees what becomes of it."""
    seed_global_state(0, "painter")
    generator = Generator(CONFIG.generator, SPACE)
    monkeypatch.setattr(rivals, "Generator", lambda *_: generator)
    return generator


def fixed_noise():
    """Return the noise of step 1."""
    return torch.randn(CONFIG.batch, CONFIG.generator.latent, generator=torch_stream(0, "noise", 1))


def one_generator_step(rival, setting):
    """Take step 1 with a careful generator and a student that stands still."""
    config = replace(
        CONFIG, generator_rate=1e-3, student_rate=1e-12, momentum=0.0, weight_decay=0.0
    )
    rival(setting._replace(config=config))(1, 1.0)


def slow_dafl_loss(logits, features, *, activation, balance):
    """Return DAFL's loss from loops."""
    chances = logits.double().softmax(1)
    sure = -torch.stack([row.log().max() for row in chances]).mean()
    mean = chances.mean(0)
    return float(sure - activation * features.abs().double().mean() + balance * (mean * mean.log()).sum())  # fmt: skip


@pytest.mark.parametrize(
    ("activation", "balance"), [(0.0, 1000.0), (1000.0, 0.0), (0.1, 5.0)],
    ids=["balance", "activation", "as published"],
)  # fmt: skip
def test_a_step_of_dafl_lowers_its_own_loss(painter, activation, balance):
    teacher, student = tiny_pair()
    setting = Setting(CONFIG, teacher, student, 0)

    def loss():
        with torch.no_grad():
            pictures = copy.deepcopy(painter).train()(fixed_noise())
            return slow_dafl_loss(
                teacher(pictures), teacher[:-1](pictures), activation=activation, balance=balance
            )

    before = loss()
    one_generator_step(lambda s: dafl(s, activation=activation, balance=balance), setting)
    assert loss() < before


def test_the_weights_of_dafl_are_the_published_ones(painter):
    teacher, student = tiny_pair()
    twin = copy.deepcopy(painter)
    setting = Setting(CONFIG, teacher, student, 0)
    pictures = twin.train()(fixed_noise())
    chances = teacher(pictures).softmax(1)
    mean = chances.mean(0)
    loss = -chances.max(1).values.log().mean() - 0.1 * teacher[:-1](pictures).abs().mean()
    (loss + 5 * (mean * mean.log()).sum()).backward()
    dafl(setting)(1, 1.0)
    for ours, theirs in zip(painter.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_a_step_of_zskt_moves_its_generator_up_the_divergence(painter):
    teacher, student = tiny_pair()
    student.train()

    def gap():
        with torch.no_grad():
            pictures = copy.deepcopy(painter).train()(fixed_noise())
            return float(divergence(copy.deepcopy(student)(pictures), teacher(pictures)))

    before = gap()
    one_generator_step(zskt, Setting(CONFIG, teacher, student, 0))
    assert gap() > before


@pytest.mark.parametrize("rival", [dafl, zskt])
def test_a_step_of_a_game_moves_the_student_down_the_divergence(painter, rival):
    teacher, student = tiny_pair()
    student.train()
    with torch.no_grad():
        pictures = copy.deepcopy(painter).train()(fixed_noise())

    def gap():
        with torch.no_grad():
            return float(divergence(copy.deepcopy(student)(pictures), teacher(pictures)))

    before = gap()
    still = replace(CONFIG, generator_rate=1e-12)
    rival(Setting(still, teacher, student, 0))(1, 1.0)
    assert gap() < before


@pytest.mark.parametrize(("rival", "steps"), [(on_noise, 1), (dafl, 1), (zskt, 10)])
def test_students_take_as_many_steps_on_each_batch_as_the_papers_say(monkeypatch, rival, steps):
    teacher, student = tiny_pair()
    taught = []
    real = rivals.imitation_step

    def counted(*values, **more):
        taught.append(more["loss"])
        return real(*values, **more)

    monkeypatch.setattr(rivals, "imitation_step", counted)
    rival(Setting(replace(CONFIG, loss="mae"), teacher, student, 0))(1, 1.0)
    assert taught == ["mae" if rival is on_noise else "kl"] * steps


@pytest.mark.parametrize("name", ALL)
def test_the_factor_multiplies_all_rates(name):
    teacher, student = tiny_pair()
    first = {key: value.clone() for key, value in student.named_parameters()}
    ALL[name](Setting(CONFIG, teacher, student, 0))(1, 0.0)
    assert all(torch.equal(value, first[key]) for key, value in student.named_parameters())
