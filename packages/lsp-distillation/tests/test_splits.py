import pytest
import torch

from lsp_distillation.splits import per_class_split, random_split

LABELS = torch.arange(300) % 3


def parts_of(split):
    return [set(mask.nonzero().flatten().tolist()) for mask in split]


def test_a_split_by_class_takes_so_many_of_each_class():
    split = per_class_split(LABELS, seed=0, train=20, val=30)
    for mask, count in zip(split, (20, 30, 50), strict=True):
        assert torch.bincount(LABELS[mask]).tolist() == [count] * 3


@pytest.mark.parametrize("make", [lambda s: per_class_split(LABELS, seed=s),
                                  lambda s: random_split(300, seed=s)])  # fmt: skip
def test_parts_are_disjoint_cover_all_and_depend_on_the_seed_alone(make):
    first, again, other = make(0), make(0), make(1)
    train, val, test = parts_of(first)
    assert len(train) + len(val) + len(test) == 300
    assert train | val | test == set(range(300))
    assert parts_of(first) == parts_of(again)
    assert parts_of(first) != parts_of(other)


def test_unknown_labels_belong_to_no_part():
    labels = LABELS.clone()
    labels[:5] = -1
    assert not torch.stack(list(per_class_split(labels, seed=0)))[:, :5].any()


def test_random_shares_are_kept():
    assert [int(mask.sum()) for mask in random_split(100, seed=3)] == [60, 20, 20]


def test_refusals():
    with pytest.raises(ValueError, match="class 2 has 5 items, too few"):
        per_class_split(torch.tensor([0] * 60 + [1] * 60 + [2] * 5), seed=0)
    with pytest.raises(ValueError, match="integer class per item"):
        per_class_split(torch.rand(9, 2), seed=0)
    with pytest.raises(ValueError, match="at least 1 per class"):
        per_class_split(LABELS, seed=0, val=0)
    with pytest.raises(ValueError, match="leave a part empty"):
        random_split(10, seed=0, train=0.9, val=0.1)
