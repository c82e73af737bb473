"""A FastAPI application as users write it. (No postponed annotations: Serve pickles the endpoints by value.)"""

from typing import Any

from fastapi import FastAPI, WebSocket
from pydantic import BaseModel
from ray import serve
from starlette.responses import StreamingResponse
from tests.rayserve.models import score


class Rows(BaseModel):
    instances: list[list[float]]


api = FastAPI()


@serve.deployment
@serve.ingress(api)
class Api:
    def __init__(self, name: str = "api") -> None:
        self.name = name

    @api.post("/predict")
    async def predict(self, rows: Rows) -> dict[str, Any]:
        return {"probabilities": score(rows.instances), "model": self.name}

    @api.post("/echo")
    def echo(self, body: dict[str, Any]) -> dict[str, Any]:
        return body

    @api.get("/healthz")
    def healthz(self) -> str:
        return "ok"

    @api.post("/stream")
    def stream(self, rows: Rows) -> StreamingResponse:
        return StreamingResponse((f"data: {p}\n\n" for p in score(rows.instances)), media_type="text/event-stream")

    @api.websocket("/ws")
    async def ws(self, socket: WebSocket) -> None:
        await socket.accept()
        rows = await socket.receive_json()
        await socket.send_json(score(rows))
        await socket.close()
