"""An MLflow model as a Ray Serve application: what `mlflow deployments create -t vedette-rayserve` deploys.

Serve imports `build` on the cluster. No postponed annotations here: Serve reads the builder's annotations as classes.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt
from ray import serve
from ray.serve import Application

from vedette.config.variables import expand_text
from vedette_mlflow.asking import predictor
from vedette_mlflow.inside import Answer, application, as_served, invoked
from vedette_mlflow.probabilities import Probabilities

DEPLOYMENT = "Model"
ROUTES = ("/", "/invocations")


class Args(BaseModel):
    """model_uri: of one version.  tracking_uri: its variables are the cluster's.  version: for those who look.

    probabilities: also answer them, where the model has them.  classes: in whose order; empty: in the model's own.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    model_uri: str
    tracking_uri: str | None = None
    version: str = ""
    replicas: PositiveInt = 1
    cpus: NonNegativeFloat = 1.0
    queued: PositiveInt = 256
    probabilities: bool = True
    classes: list[str] = Field(default_factory=list)
    flavor: str = Field(default="python_function")


def build(args: Args) -> Application:
    """The model's application, not watched yet. Raises where a variable of the tracking URI is not set here."""
    if args.tracking_uri:
        expand_text(args.tracking_uri, os.environ)  # at once, and not in each replica that is tried
    ingress: Any = serve.ingress()(Model)
    deployment: Any = serve.deployment(
        name=DEPLOYMENT,
        num_replicas=args.replicas,
        max_queued_requests=args.queued,
        ray_actor_options={"num_cpus": args.cpus},
    )(ingress)
    bound: Application = deployment.bind(args.model_dump())
    return bound


class Model:
    """MLflow's own scoring application, its answers with probabilities where the flavour gives them."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        import mlflow

        if args["tracking_uri"]:
            mlflow.set_tracking_uri(expand_text(args["tracking_uri"], os.environ))
        self.model = as_served(args["model_uri"])
        self.probabilities = args["probabilities"]
        self.classes = args["classes"]

    def __serve_build_asgi_app__(self) -> FastAPI:
        return scoring_app(self.model, self.probabilities, self.classes)


def scoring_app(model: Any, probabilities: bool = True, classes: Sequence[str] = ()) -> FastAPI:
    """/ and /invocations predict; /ping, /health and /version are MLflow's. classes: in whose order probabilities are
    answered, since who reads a list goes by the schema's."""
    from mlflow.exceptions import MlflowException

    app: FastAPI = application(model)
    own = FastAPI()
    asked = predictor(model)
    scores = Probabilities.of(asked, classes) if probabilities else None

    async def predict(request: Request) -> Response:
        body = await request.body()
        kind = request.headers.get("content-type", "")
        try:
            found = await asyncio.to_thread(answer, model, scores, body, kind)
        except MlflowException as error:
            said, status = error.serialize_as_json(), error.get_http_status_code()  # type: ignore[no-untyped-call]
            return Response(said, status, media_type="application/json")
        return Response(found.text, found.status, media_type=found.media_type)

    for route in ROUTES:
        own.post(route)(predict)
    app.router.routes[:0] = [route for route in own.router.routes if getattr(route, "path", "") in ROUTES]
    return app


def answer(model: Any, scores: Probabilities | None, body: bytes, content_type: str) -> Answer:
    """MLflow's answer; one of plain JSON has the probabilities of its rows beside its predictions."""
    seen = _Seen(model)
    found = invoked(body, content_type, seen)
    if scores is None or found.status != 200 or not found.text.startswith('{"predictions": '):
        return found
    return found._replace(text=scores.beside(found.text, seen.data))


class _Seen:
    """The model, that remembers the rows of one request as MLflow has read them."""

    def __init__(self, model: Any) -> None:
        self.metadata = model.metadata
        self.data: Any = None
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        self.data = data
        return self._model.predict(data, params=params)
