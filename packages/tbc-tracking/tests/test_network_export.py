import numpy as np
import pytest
import torch
from test_density_network import _network, _video

from tbc_tracking.network_export import CountingModule, export_network

SIZES = [(1, 2, 8, 8), (3, 2, 9, 31), (2, 2, 64, 50)]


def _images(shape):
    return torch.from_numpy(np.random.Generator(np.random.PCG64(1)).random(shape, dtype=np.float32))


def test_the_exported_module_is_what_predict_does():
    network, video = _network(), _video()
    statistics = network.measure(video)
    gray = [statistics.normalize(image) for image in video]
    channels = np.stack([np.stack([g, np.abs(g - statistics.background)]) for g in gray])
    with torch.inference_mode():
        maps = CountingModule(network)(torch.from_numpy(channels))[:, 0].numpy()
    np.testing.assert_allclose(maps, network.predict_all(video), rtol=1e-4, atol=1e-7)


# torch 2.10 says so of the bytes that it has read itself
@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")
def test_an_exported_program_takes_any_batch_and_size(tmp_path):
    network = _network()
    export_network(network, tmp_path / "density.pt2")
    program = torch.export.load(tmp_path / "density.pt2").module()
    for shape in SIZES:
        images = _images(shape)
        expected = CountingModule(network)(images)
        torch.testing.assert_close(program(images), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_onnx_takes_any_batch_and_size(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = _network()
    export_network(network, tmp_path / "density.onnx")
    session = runtime.InferenceSession(tmp_path / "density.onnx")
    for shape in SIZES:
        images = _images(shape)
        with torch.inference_mode():
            expected = CountingModule(network)(images).numpy()
        (maps,) = session.run(None, {"images": images.numpy()})
        np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-6)


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.pt2 or \.onnx"):
        export_network(_network(), tmp_path / "density.pt")
