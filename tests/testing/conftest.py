"""Makes the broken components importable, also for the new processes that the kit starts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
