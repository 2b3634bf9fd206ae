"""One thread, since the bits should not depend on the machine; tests that cannot run here are skipped."""

import os

from tenfold_shared.testing import pytest_collection_modifyitems as pytest_collection_modifyitems

os.environ["OMP_NUM_THREADS"] = "1"
