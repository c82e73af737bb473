"""The example as its README has it: built, and the built bento served by tag, without the reference."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from tests.bentoml.serving import ROOT, Bento, bentoml, environment

EXAMPLE = ROOT / "examples" / "bentoml"
FILES = ("service.py", "watched.py", "monitors.yaml", "reference.py", "traffic.py", "bentofile.yaml", "README.md")


def run(script: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_built_bento_is_served_by_tag(tmp_path: Path) -> None:
    folder = tmp_path / "example"
    folder.mkdir()
    for name in FILES:
        shutil.copy(EXAMPLE / name, folder / name)
    run("reference.py", folder=folder)
    home = tmp_path / "home"
    env = environment(home, VEDETTE_STORE=f"sqlite:///{tmp_path / 'vedette.db'}")
    bentoml("build", folder=folder, env=env)
    (bento,) = [path.parent for path in (home / "bentos").rglob("bento.yaml")]
    carried = {path.name for path in (bento / "src").iterdir()}
    assert {"monitors.yaml", "monitors.bundle", "service.py", "watched.py"} <= carried
    assert "reference.parquet" not in carried
    services = {item["name"] for item in yaml.safe_load((bento / "bento.yaml").read_text())["services"]}
    assert services == {"Tumours", "vedette_tumours_pool_default", "vedette_tumours_explain_explain"}
    shutil.rmtree(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(EXAMPLE / "traffic.py", elsewhere / "traffic.py")
    with Bento("tumours:latest", elsewhere, env) as served:
        said = run("traffic.py", served.url, folder=elsewhere)
        assert re.match(r"569 predictions, accuracy 0\.9\d\d on 569 labels\nthe first one, explained: ", said), said
    assert (tmp_path / "vedette.db").exists()


def test_the_service_knows_nothing_of_vedette() -> None:
    assert "vedette" not in (EXAMPLE / "service.py").read_text().lower()


def test_the_readme_names_five_commands() -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    commands = [line.partition("#")[0].strip() for line in block.splitlines() if not line.startswith("pip")]
    assert commands == [
        "python reference.py", "bentoml serve watched:svc", "python traffic.py", "bentoml build",
        "bentoml serve tumours:latest",
    ]  # fmt: skip
