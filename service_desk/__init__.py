"""An open call centre and omnichannel service desk.

The package owns the data and wires the two leaves together: `routing` decides, `channels` speaks to
providers.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from service_desk.guard import PRODUCT, check_siblings

check_siblings(home=Path(__file__).resolve().parent.parent)

try:
    __version__ = version(PRODUCT)
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
