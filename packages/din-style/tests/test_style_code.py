import pytest
import torch

from din_style.style_code import LayerCode, StyleCode, interpolate, mix
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import torch_stream
from tenfold_shared.testing import damaged_files, refusal


def _code(name="a", batch=1, fingerprint="f"):
    stream = torch_stream(0, name)
    layers = {
        "block1_first": LayerCode(
            torch.randn(batch, 4, 1, 3, 3, generator=stream),
            torch.randn(batch, 4, generator=stream),
        ),
        "colors": LayerCode(
            torch.randn(batch, 3, 1, 1, 1, generator=stream),
            torch.randn(batch, 3, generator=stream),
        ),
    }
    return StyleCode(layers, fingerprint)


def test_a_code_survives_its_file(tmp_path):
    path, code = tmp_path / "starry.safetensors", _code()
    code.save(path)
    read = StyleCode.load(path)
    assert read.fingerprint == "f"
    assert list(read.layers) == ["block1_first", "colors"]
    assert torch.equal(read.vector(), code.vector())
    assert path.stat().st_size < 4096


def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "code.safetensors"
    _code().save(path)
    broken = 0
    for content in damaged_files(path.read_bytes(), count=300):
        path.write_bytes(content)
        sentence = refusal(lambda: StyleCode.load(path))
        broken += sentence is not None
        assert sentence is None or str(path) in sentence
    assert broken > 100, "test invalid"


@pytest.mark.parametrize("content", [b"", b"not a code", b"PK\x03\x04"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "code.safetensors"
    with pytest.raises(UserError, match="does not exist"):
        StyleCode.load(path)
    path.write_bytes(content)
    with pytest.raises(UserError, match="no style code"):
        StyleCode.load(path)


def test_codes_that_are_not_finite_are_refused(tmp_path):
    code = _code()
    code.layers["colors"].bias[0, 0] = torch.nan
    code.save(tmp_path / "code.safetensors")
    with pytest.raises(UserError, match="damaged"):
        StyleCode.load(tmp_path / "code.safetensors")


def test_mixing_is_a_convex_combination():
    a, b = _code("a"), _code("b")
    torch.testing.assert_close(mix([a, b], [3, 1]).vector(), 0.75 * a.vector() + 0.25 * b.vector())
    torch.testing.assert_close(mix([a, b], [0, 2]).vector(), b.vector())
    torch.testing.assert_close(interpolate(a, b, 0.25).vector(), mix([a, b], [3, 1]).vector())


@pytest.mark.parametrize(
    "weights", [[1.0], [0.0, 0.0], [1.0, -0.5], [float("nan"), 1.0], [float("inf"), 1.0]]
)
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="weight"):
        mix([_code("a"), _code("b")], weights)


def test_codes_of_different_networks_are_not_mixed():
    with pytest.raises(ValueError, match="different networks"):
        mix([_code("a"), _code("b", fingerprint="g")], [1, 1])
    with pytest.raises(ValueError, match="share must be"):
        interpolate(_code("a"), _code("b"), 1.5)


def test_a_batch_of_codes_is_taken_apart():
    code = _code(batch=3)
    assert code.batch == 3
    torch.testing.assert_close(code[1].vector(), code.vector()[1:2])
    torch.testing.assert_close(code[-1].vector(), code.vector()[2:])
    with pytest.raises(IndexError, match="no number 3"):
        code[3]
