"""The run that a sink writes into: found again by its name and tag, or made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_TAG = "vedette.model"  # finds the run again after a restart


def found_or_made(client: MlflowClient, experiment: str | None, name: str, model: str) -> str:
    """The run of this name in which events of the model stand; a new one where there is none."""
    home = _experiment(client, experiment)
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    found = client.search_runs(
        [home], f"attributes.run_name = '{quoted}' and tags.`{RUN_TAG}` = '{model}'", max_results=1
    )
    if found:
        return str(found[0].info.run_id)
    return str(client.create_run(home, run_name=name, tags={RUN_TAG: model}).info.run_id)


def _experiment(client: MlflowClient, name: str | None) -> str:
    from mlflow.exceptions import MlflowException

    if name is None:
        return "0"  # MLflow's own default
    if (found := client.get_experiment_by_name(name)) is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process has been quicker, or nobody can make it
            if (found := client.get_experiment_by_name(name)) is None:
                raise
    return str(found.experiment_id)
