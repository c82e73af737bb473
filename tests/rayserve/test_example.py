"""The example as `make demo` runs it, on a Ray of its own: it says itself whether all was seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rayserve"
CHECKS = 11  # counts of the monitors, alarms, accuracy, the explanation: none may be left out


@pytest.mark.ray
def test_the_demo_sees_the_shift_the_fall_and_the_outlier() -> None:
    command = [sys.executable, "demo.py", "--rate", "20"]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) == CHECKS
    assert "false alarms in the 400 rows before the shift: 0" in done.stdout


def test_the_model_knows_nothing_of_vedette() -> None:
    assert not re.search(r"(import|from) vedette", (EXAMPLE / "model.py").read_text())
    assert "vedette" not in (EXAMPLE / "serve_config.yaml").read_text().lower()


def test_the_readme_names_five_commands() -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    assert [int(n) for n in re.findall(r"# (\d)\.", block)] == [1, 2, 3, 4, 5]
