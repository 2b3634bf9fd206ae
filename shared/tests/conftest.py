import torch

from tenfold_shared.testing import pytest_collection_modifyitems as pytest_collection_modifyitems

torch.set_num_threads(1)
