import pytest
import torch
from user_networks import Ending, Plain

from dfad_distillation.outputs import (
    CenteredLogits,
    adapt_outputs,
    check_pair,
    check_teacher,
    resemble_sigmoid,
)
from dfad_distillation.unet import UNet
from tenfold_shared.errors import UserError
from tenfold_shared.testing import check_gradient

SAMPLE = torch.randn(6, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_a_good_teacher_says_what_it_answers():
    assert check_teacher(Plain().eval(), SAMPLE) == ("classification", 4)
    segmenter = UNet(3, channels=1, width=2).eval()
    assert check_teacher(segmenter, torch.randn(2, 1, 16, 16)) == ("segmentation", 3)


def test_positive_answers_that_do_not_sum_to_one_are_logits():
    assert check_teacher(Ending("shares").eval(), SAMPLE) == ("classification", 4)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("softmax", "ends in softmax.*--teacher-outputs probabilities"),
        ("log_softmax", "ends in log-softmax.*--teacher-outputs log_probabilities"),
        ("dictionary", "a dictionary with out, aux.*--teacher-outputs"),
        ("tuple", "2 outputs, 0 to 1"),
        ("nan", "NaN or infinity"),
        ("constant", "the same answer"),
        ("detached", "no gradient"),
        ("rounded", "no gradient"),
        ("flat", r"\(24,\)"),
        ("halved", r"shape \(3, 4\)"),
        ("text", "a str"),
        ("one", r"one number.*two logits.*torch.cat"),
        ("raises", "cannot read pictures.*division by zero"),
    ],
)
def test_teachers_from_which_nothing_is_learned_are_refused(kind, message):
    with pytest.raises(UserError, match=message):
        check_teacher(Ending(kind).eval(), SAMPLE)


def test_pictures_that_a_teacher_cannot_read_are_its_users_error():
    with pytest.raises(UserError, match=r"cannot read pictures of shape \(6, 3, 12, 12\)"):
        check_teacher(Plain().eval(), SAMPLE.expand(-1, 3, -1, -1))
    with pytest.raises(UserError, match="no gradient"):
        check_teacher(torch.no_grad()(Plain().eval().forward), SAMPLE)


@pytest.mark.parametrize(
    ("kind", "outputs"), [("softmax", "probabilities"), ("log_softmax", "log_probabilities")]
)
def test_undone_softmax_gives_the_logits_up_to_their_mean(kind, outputs):
    network = Ending(kind).eval()
    adapted = adapt_outputs(network, outputs)
    logits = network.plain(SAMPLE)
    torch.testing.assert_close(adapted(SAMPLE), logits - logits.mean(1, keepdim=True))
    assert check_teacher(adapted, SAMPLE).classes == 4


def test_centering_is_differentiable():
    chances = torch.rand(2, 3, 1, 2).softmax(1)
    check_gradient(CenteredLogits(torch.nn.Identity(), logarithm=True), [chances])


def test_certain_probabilities_stay_finite():
    certain = torch.tensor([[1.0, 0.0]])[:, :, None, None]
    assert torch.isfinite(CenteredLogits(torch.nn.Identity(), logarithm=True)(certain)).all()


def test_one_of_several_outputs_is_picked():
    network = Ending("dictionary").eval()
    torch.testing.assert_close(adapt_outputs(network, "aux")(SAMPLE), 2 * network.plain(SAMPLE))
    pair = Ending("tuple").eval()
    torch.testing.assert_close(adapt_outputs(pair, "1")(SAMPLE), 2 * pair.plain(SAMPLE))
    for wrong in (adapt_outputs(network, "logit"), adapt_outputs(pair, "2")):
        with pytest.raises(UserError, match="has no output"):
            wrong(SAMPLE)


def test_a_function_makes_the_output():
    network = Ending("dictionary").eval()
    computed = adapt_outputs(network, lambda answer: answer["out"] + answer["aux"])
    torch.testing.assert_close(computed(SAMPLE), 3 * network.plain(SAMPLE))


def test_what_a_sigmoid_may_have_made():
    logits = torch.tensor([[-3.0, 0.2], [1.0, 4.0]])
    assert resemble_sigmoid(logits.sigmoid())
    assert not resemble_sigmoid(logits)
    assert not resemble_sigmoid(logits.relu())
    assert not resemble_sigmoid(torch.tensor([[0.1, 0.2], [0.3, 0.25]])), "of random weights"


def test_students_must_answer_as_teachers_do():
    teacher, student = Plain(4).eval(), Plain(5)
    with pytest.raises(UserError, match=r"\(6, 4\) and the student with \(6, 5\)"):
        check_pair(teacher, student, SAMPLE)
    good = Plain(4)
    statistics = good.norm.running_mean.clone()
    check_pair(teacher, good, SAMPLE)
    assert good.training
    assert torch.equal(good.norm.running_mean, statistics), "checking moves no statistics"


def test_students_must_not_end_in_softmax():
    for kind, fix in (("softmax", "probabilities"), ("log_softmax", "log_probabilities")):
        student = Ending(kind)
        with pytest.raises(UserError, match=f"student ends in .*softmax.*--student-outputs {fix},"):
            check_pair(Plain().eval(), student, SAMPLE)
        check_pair(Plain().eval(), adapt_outputs(student, fix), SAMPLE)


def test_one_picture_is_no_batch_for_batch_normalization():
    with pytest.raises(UserError, match="batch of 1"):
        check_pair(Plain().eval(), Plain(), SAMPLE[:1])
    check_pair(Plain().eval(), Plain(normalized=False), SAMPLE[:1])
