"""Asks the served model for later patients, then for patients of a clinic whose scanner measures a fifth too large,
and tells the true diagnoses; waits for what the monitors say.

python traffic.py [http://127.0.0.1:5000]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import httpx
import pandas as pd

TIMEOUT = 120.0


def main(url: str) -> int:
    """0 where the monitors counted every row and saw the change, and nothing before it."""
    later = pd.read_csv("later.csv")
    labels = later.pop("diagnosis")
    clean = pd.concat([later] * 2, ignore_index=True)
    with httpx.Client(base_url=url, timeout=60) as client:
        ask(client, clean, pd.concat([labels] * 2))
        wait(lambda: counted(client) == len(clean))
        before = alerts(client)
        ask(client, clean * 1.2, pd.concat([labels] * 2))
        wait(lambda: counted(client) == 2 * len(clean) and "shift" in alerts(client))
        print(f"rows counted: {counted(client)}; alerts before the change: {before}, after it: {alerts(client)}")
        why = client.post("/vedette/explain", json={"instances": later.head(1).to_dict("records")}).json()
        shares = why["explanations"][0]["data"]["shap_values"]["malignant"]
        name = max(shares, key=lambda feature: abs(shares[feature]))
        print(f"the first patient's answer stands on {name} more than on any other measurement ({shares[name]:+.3f})")
    return 0 if not before else 1


def ask(client: httpx.Client, rows: pd.DataFrame, labels: pd.Series) -> None:
    """Ten rows a request; the labels name the id that came with the answer."""
    for start in range(0, len(rows), 10):
        part = rows.iloc[start : start + 10]
        answer = client.post("/invocations", json={"dataframe_split": part.to_dict("split", index=False)})
        answer.raise_for_status()
        item = {"id": answer.headers["X-Request-Id"], "labels": labels.iloc[start : start + 10].tolist()}
        client.post("/vedette/feedback", json=item).raise_for_status()


def counted(client: httpx.Client) -> int:
    found = {item["name"]: int(item["rows"]) for item in client.get("/vedette/api/monitors").json()}
    return found["quality"]


def alerts(client: httpx.Client) -> list[str]:
    """Rules that are firing."""
    live: list[dict[str, Any]] = client.get("/vedette/api/alerts", params={"live": True}).json()
    return sorted({alert["rule"] for alert in live if alert["state"] == "firing"})


def wait(condition: Any) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the monitors did not get there in time")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5000"))
