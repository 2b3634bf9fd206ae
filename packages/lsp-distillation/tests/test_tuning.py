"""Settings of the term, tried on validation items."""

import pytest
from tiny_training import PygTeacher, blocks, student_config

from lsp_distillation import tuning
from lsp_distillation.terms_config import AUTO, TermsConfig
from lsp_distillation.tuning import Trial, TuneConfig, mean_scores, read_trials, tune
from tenfold_shared.testing import refusal

STUDENT = student_config(TermsConfig(measure_after=1), epochs=3)
CONFIG = TuneConfig(weights=(AUTO, 5.0), bandwidths=("auto", 2.0), seeds=(0,))


def test_trials_are_of_their_settings_and_not_repeated(tmp_path, monkeypatch):
    seen = []
    inner = tuning.distill

    def distill(settings, folder, **more):
        structure = settings.terms.structure
        seen.append((structure.weight, structure.kernel.bandwidth, more["seed"]))
        return inner(settings, folder, **more)

    monkeypatch.setattr(tuning, "distill", distill)
    task, teacher = blocks(), PygTeacher()
    trials = tune(CONFIG, STUDENT, tmp_path, task=task, teacher=teacher, device="cpu")
    wanted = [(AUTO, "auto", 0), (AUTO, 2.0, 0), (5.0, "auto", 0), (5.0, 2.0, 0)]
    assert seen == wanted == [trial[:3] for trial in trials]
    seen.clear()
    more = TuneConfig(weights=(5.0,), bandwidths=(2.0,), seeds=(0, 1))
    again = tune(more, STUDENT, tmp_path, task=task, teacher=teacher, device="cpu")
    assert seen == [(5.0, 2.0, 1)]
    assert again[0] == trials[3]
    other = refusal(
        lambda: tune(CONFIG, STUDENT, tmp_path, task=blocks(seed=1), teacher=teacher, device="cpu")
    )
    assert "another graph" in other
    (tmp_path / "trials.jsonl").write_text("{}\n")
    assert "damaged" in refusal(lambda: read_trials(tmp_path))


def test_means_are_over_seeds_the_best_first():
    trials = [
        Trial(1.0, "auto", 0, 0.5), Trial(1.0, "auto", 1, 0.7), Trial(2.0, 3.0, 0, 0.9),
    ]  # fmt: skip
    assert list(mean_scores(trials).items()) == [
        ((2.0, 3.0), 0.9), ((1.0, "auto"), pytest.approx(0.6)),
    ]  # fmt: skip


def test_bad_settings_are_refused():
    for change in ({"weights": ()}, {"seeds": (1, 1)}, {"weights": (-3.0,)}):
        with pytest.raises(ValueError, match=r"weight|seeds"):
            TuneConfig(**change)
