"""Names of methods, and the terms that they stand for."""

from dataclasses import replace

import pytest

from lsp_distillation.methods import METHODS, PARTS, terms_of
from lsp_distillation.term_weights import TermWeights
from lsp_distillation.terms_config import AUTO, StructureConfig, TermsConfig

BASE = TermsConfig()
USED = {
    "labels": set(), "kd": {"soft_labels"}, "fitnet": {"hints"}, "at": {"attention"}, "rkd": {"relations"},
    "gsp": {"similarity"}, "lsp": {"structure"}, "lsp+kd": {"structure", "soft_labels"},
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_method_uses_its_terms_and_no_others(method):
    everything = replace(
        BASE, soft_labels=2.0, hints=3.0, attention=4.0, relations=5.0, similarity=6.0
    )
    for base in (BASE, everything):
        terms = terms_of(method, base)
        assert set(TermWeights(terms).used) == USED[method] | {"labels"}
        for name in USED[method] - {"structure"}:
            weight = getattr(terms, name)
            asked = getattr(base, name)
            assert weight == (asked or (1.0 if name == "soft_labels" else AUTO))


def test_everything_else_is_kept():
    base = TermsConfig(
        structure=StructureConfig(weight=7.0, self_loops="keep"), temperature=3.0, share=0.1
    )
    terms = terms_of("lsp+kd", base)
    assert terms.structure == base.structure
    assert (terms.temperature, terms.share, terms.soft_labels) == (3.0, 0.1, 1.0)
    assert terms_of("kd", base).structure == replace(base.structure, weight=0.0)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"labels, kd, fitnet, at, rkd, gsp, lsp joined by \+"):
        terms_of("lsp+magic", BASE)
    assert set("+".join(METHODS).split("+")) == set(PARTS)
