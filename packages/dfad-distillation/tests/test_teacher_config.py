import subprocess
import sys

import pytest

from dfad_distillation.data import NAMES
from dfad_distillation.registry import build_network, task_of
from dfad_distillation.teacher_config import TEACHERS


@pytest.mark.parametrize("name", TEACHERS)
def test_recipes_are_for_known_data_and_networks(name):
    recipe = TEACHERS[name]
    assert name in NAMES
    arguments = {"width": recipe.width} if recipe.width else {}
    build_network(recipe.network, classes=10, channels=recipe.input.shape[0], arguments=arguments)
    assert task_of(recipe.network) == ("segmentation" if name == "camvid" else "classification")
    assert recipe.input.is_normalized


def test_settings_need_no_torch():
    program = "import sys, dfad_distillation.teacher_config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
