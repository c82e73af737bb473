"""The same service, watched: `bentoml serve watched:svc`."""

import service

import vedette_bentoml

svc = vedette_bentoml.watch(service.Tumours, "monitors.yaml")
