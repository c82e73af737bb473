"""Ask the served model about every tumour of the data, say afterwards which were malignant, and show what is known.

python traffic.py [http://127.0.0.1:3000]
"""

from __future__ import annotations

import sys
import time

import httpx
from sklearn.datasets import load_breast_cancer

ROWS = 50  # of a request


def main(url: str) -> None:
    data = load_breast_cancer()
    labels = [str(data.target_names[target]) for target in data.target]
    with httpx.Client(base_url=url, timeout=60.0, trust_env=False) as client:
        ids = []
        for start in range(0, len(data.data), ROWS):
            rows = data.data[start : start + ROWS].tolist()
            answer = client.post("/predict", json={"rows": rows}).raise_for_status()
            ids.append(answer.headers["x-request-id"])
        feedback = [{"id": name, "labels": labels[i * ROWS : (i + 1) * ROWS]} for i, name in enumerate(ids)]
        client.post("/vedette/feedback", json=feedback).raise_for_status()
        found = wait(client, len(labels))
        print(f"{len(labels)} predictions, accuracy {found['values']['accuracy']:.3f} on {found['n']} labels")
        asked = {"instances": [data.data[0].tolist()]}
        explained = client.post("/vedette/explain", json=asked).raise_for_status().json()["explanations"][0]
        print("the first one, explained:", ", ".join(sorted(explained)))


def wait(client: httpx.Client, rows: int) -> dict:
    """The latest result of `performance` on that many labelled rows."""
    for _ in range(240):
        results = client.get("/vedette/api/results", params={"monitor": "performance"}).json()
        if results and results[-1]["n"] >= rows:
            return results[-1]
        time.sleep(0.5)
    raise SystemExit("no result after two minutes: is the bento served with its monitors?")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3000")
