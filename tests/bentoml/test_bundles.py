"""The bundle beside the YAML: fitted once, by whoever comes first, and never taken for another's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bentoml.configuration import write_config
from tests.bentoml.serving import ROOT

from vedette.config.faults import ConfigError
from vedette.engine.bundle import Bundle
from vedette_bentoml import bundles
from vedette_bentoml.bundles import NoBundle, bundle_file, prepared

PREPARE = """
import sys
from vedette_bentoml import bundles

made = bundles._made
bundles._made = lambda *given: (print("fitted"), made(*given))[1]
print(bundles.prepared(sys.argv[1]).digest)
"""


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were written."""
    found: list[Path] = []
    made = bundles._made

    def counting(file: Path, paths: list[Path], registry: object) -> Bundle:
        found.append(file)
        return made(file, paths, registry)  # type: ignore[arg-type]

    monkeypatch.setattr(bundles, "_made", counting)
    return found


def test_it_is_fitted_once(config: Path, fitted: list[Path]) -> None:
    first, second = prepared(config), prepared(config)
    assert fitted == [config.with_suffix(".bundle")] == [bundle_file([config])]
    assert first.digest == second.digest
    assert second.plan.store == f"sqlite:///{config.parent / 'vedette.db'}"


def test_processes_that_start_together_fit_once(config: Path) -> None:
    command = [sys.executable, "-c", PREPARE, str(config)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(4)]
    said = [process.communicate(timeout=180)[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(words.count("fitted") for words in said) == 1
    assert len({words[-1] for words in said}) == 1


@pytest.mark.parametrize("change", ["yaml", "reference", "damaged", "other format"])
def test_it_is_fitted_again_where_it_does_not_fit(change: str, config: Path, fitted: list[Path]) -> None:
    prepared(config)
    file = bundle_file([config])
    if change == "yaml":
        config.write_text(config.read_text().replace("fdr: 0.1", "fdr: 0.2"))
    elif change == "reference":
        reference = config.parent / "reference.parquet"
        import pandas as pd

        pd.read_parquet(reference).iloc[:900].to_parquet(reference)
    elif change == "damaged":
        file.write_bytes(file.read_bytes()[:-1000])
    else:
        file.write_bytes(b"monitors")
    prepared(config)
    assert len(fitted) == 2


def test_without_its_reference_it_is_still_good(config: Path, fitted: list[Path]) -> None:
    made = prepared(config)
    (config.parent / "reference.parquet").unlink()
    assert prepared(config).digest == made.digest
    assert len(fitted) == 1


def test_without_its_reference_another_yaml_is_refused(config: Path) -> None:
    prepared(config)
    (config.parent / "reference.parquet").unlink()
    config.write_text(config.read_text().replace("fdr: 0.1", "fdr: 0.2"))
    with pytest.raises(ConfigError, match=r"reference\.parquet"):
        prepared(config)


def test_it_can_be_carried_to_another_folder(config: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = prepared(config)
    other = tmp_path_factory.mktemp("bento")
    for file in (config, bundle_file([config])):
        (other / file.name).write_bytes(file.read_bytes())
    found = prepared(other / config.name)
    assert found.digest == made.digest
    assert found.plan.store == f"sqlite:///{other / 'vedette.db'}"


def test_several_files_are_laid_on_each_other(config: Path, fitted: list[Path]) -> None:
    over = config.with_name("prod.yaml")
    over.write_text("model: {name: prod}\n")
    assert prepared([config, over]).plan.model == "prod"
    over.write_text("model: {name: other}\n")
    assert prepared([config, over]).plan.model == "other"
    assert len(fitted) == 2


def test_secrets_stay_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_config(tmp_path, "server: {tokens: {read: '${READ_TOKEN}'}}\n")
    monkeypatch.setenv("READ_TOKEN", "first-secret")
    assert list(prepared(config).plan.server.tokens) == ["first-secret"]
    assert b"first-secret" not in bundle_file([config]).read_bytes()
    monkeypatch.setenv("READ_TOKEN", "second-secret")
    assert list(prepared(config).plan.server.tokens) == ["second-secret"]


def test_a_folder_that_cannot_be_written_is_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(bundles.os, "replace", refuse)
    with pytest.raises(NoBundle, match=r"monitors\.bundle cannot be written \(Permission denied\).* serve once"):
        prepared(config)
