from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tbc_tracking.calibration import Calibration
from tbc_tracking.density_network import DensityNetwork, NetworkDescription
from tbc_tracking.inputs import InputConfig
from tbc_tracking.networks import build_network
from tbc_tracking.object_size import ObjectSize
from tenfold_shared.checkpoints import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream
from tenfold_shared.testing import damaged_files, refusal


def _description(**changes):
    description = NetworkDescription(
        kind="unet",
        widths=(4, 6, 8),
        inputs=InputConfig(background_frames=5, normalization="training", low=0.1, high=0.9),
        size=ObjectSize(intercept=1.5, slope=0.01),
        stride=2,
        target_scale=100.0,
        calibration=Calibration(scale=1.1, slope=0.002),
        data={"frames": 7},
    )
    return replace(description, **changes)


def _network(**changes):
    description = _description(**changes)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        module = build_network(
            description.kind, channels=description.inputs.channels, widths=description.widths
        )
    return DensityNetwork(module, description, device="cpu")


def _video(length=7, height=17, width=25):
    return numpy_stream(0, "video").random((length, height, width)).astype(np.float32)


class _Brightness(nn.Module):
    """A counter that sees one hundredth of an object in every unit of brightness."""

    stride = 1

    def forward(self, images):
        return images[:, :1] - 0.5


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_maps_do_not_depend_on_the_batch(batch):
    network, video = _network(), _video()
    maps = list(network.predict(video, batch=batch))
    assert len(maps) == 7
    assert maps[0].shape == (9, 13)
    assert maps[0].dtype == np.float32
    np.testing.assert_allclose(np.stack(maps), network.predict_all(video), rtol=1e-4, atol=1e-7)


def test_prediction_streams():
    """No more than a batch of frames is taken before its maps are handed out."""
    taken = []
    network = _network()
    video = _video()
    statistics = network.measure(video)

    def frames():
        for index, image in enumerate(video):
            taken.append(index)
            yield image

    maps = network.predict(frames(), batch=2, statistics=statistics)
    next(maps)
    assert taken == [0, 1]


def test_output_is_unscaled_clipped_and_calibrated():
    description = _description(
        inputs=InputConfig(background="none"),
        stride=1,
        calibration=Calibration(scale=0.5, slope=0.1),
    )
    network = DensityNetwork(_Brightness(), description, device="cpu")
    frame = np.linspace(0, 1, 8 * 8, dtype=np.float32).reshape(8, 8)
    (density,) = network.predict([frame])
    factors = np.clip(0.5 + 0.1 * np.arange(8), 0.5, 2)[:, None]
    np.testing.assert_allclose(density, np.maximum(frame - 0.5, 0) / 100 * factors, rtol=1e-5)


def test_a_saved_network_predicts_the_same_bits(tmp_path):
    network, video = _network(), _video()
    network.save(tmp_path / "density.safetensors")
    loaded = DensityNetwork.load(tmp_path / "density.safetensors", device="cpu")
    assert loaded.description == network.description
    np.testing.assert_array_equal(loaded.predict_all(video), network.predict_all(video))
    assert (loaded.stride, loaded.size) == (2, ObjectSize(intercept=1.5, slope=0.01))


def test_foreign_files_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "density.safetensors"
    with pytest.raises(UserError, match="does not exist"):
        DensityNetwork.load(path)
    linear = {"line": nn.Linear(2, 2)}
    save_checkpoint(path, models=linear, package="other-package")
    with pytest.raises(UserError, match="other-package"):
        DensityNetwork.load(path)
    save_checkpoint(path, models=linear, package="tbc-tracking")
    with pytest.raises(UserError, match="no finished"):
        DensityNetwork.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"widths": None},
        {"widths": []},
        {"kind": 3},
        {"size": {"intercept": "wide"}},
        {"inputs": {"background": "median", "color": "rgb"}},
        {"calibration": None},
        {"stride": 3},
        {"target_scale": "large"},
        {"surprise": 1},
        {"widths": [4, 6]},
    ],
)
def test_descriptions_of_no_network_are_refused(tmp_path, change):
    path = tmp_path / "density.safetensors"
    network = _network()
    network.save(path)
    import json
    from dataclasses import asdict

    metadata = {**json.loads(json.dumps(asdict(network.description))), **change}
    save_checkpoint(
        path, models={"density": network.module}, package="tbc-tracking", metadata=metadata
    )
    assert refusal(lambda: DensityNetwork.load(path, device="cpu"))


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "density.safetensors"
    _network().save(path)
    content = path.read_bytes()
    for damaged in damaged_files(content, count=60):
        path.write_bytes(damaged)
        sentence = refusal(lambda: DensityNetwork.load(path, device="cpu"))
        assert sentence is not None or damaged == content


def test_what_is_no_gray_video_is_refused():
    network = _network()
    with pytest.raises(UserError, match="no frame"):
        list(network.predict([]))
    with pytest.raises(ValueError, match="twice"):
        list(network.predict(iter(_video())))
    with pytest.raises(ValueError, match="8 x 8"):
        list(network.predict(_video(2, 7, 25)))
    with pytest.raises(ValueError, match="gray"):
        list(network.predict(numpy_stream(0, "rgb").random((2, 3, 16, 16)).astype(np.float32)))
    with pytest.raises(ValueError, match="batch"):
        list(network.predict(_video(), batch=0))


def test_bf16_needs_a_gpu():
    with pytest.raises(UserError, match="GPU"):
        DensityNetwork(nn.Identity(), _description(), device="cpu", precision="bf16")


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_processor():
    network, video = _network(), _video()
    expected = network.predict_all(video)
    for precision, tolerance in (("fp32", 2e-3), ("bf16", 5e-2)):
        gpu = DensityNetwork(
            _network().module, network.description, device="cuda", precision=precision
        )
        np.testing.assert_allclose(gpu.predict_all(video), expected, rtol=tolerance, atol=1e-4)
