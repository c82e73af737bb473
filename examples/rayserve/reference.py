"""Write reference.csv: scans that the model was not trained on, with what they show.

python reference.py [reference.csv]
"""

from __future__ import annotations

import sys

import pandas as pd
from model import FEATURES, TRAINED_ON, grid, scans

ROWS = 600


def reference() -> pd.DataFrame:
    images, shown = scans()
    part = slice(TRAINED_ON, TRAINED_ON + ROWS)
    return pd.DataFrame(grid(images[part]), columns=FEATURES).assign(digit=shown[part].astype(str))


if __name__ == "__main__":
    reference().to_csv(sys.argv[1] if len(sys.argv) > 1 else "reference.csv", index=False)
