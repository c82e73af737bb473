"""What the monitors have to tell afterwards, and whether it is what should have happened."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from traffic import Sent

TIMEOUT = 60.0
ALARMS = ("drift", "shift")


class Story:
    """url: of the monitors.  clean: rows before the shift.  outlier: the row that is strange by itself."""

    def __init__(self, url: str, clean: int, outlier: int) -> None:
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=30.0)
        self.clean = clean
        self.outlier = outlier
        self.checks: list[tuple[str, bool]] = []

    def wait(self, sent: Sent) -> None:
        """Until all rows are counted, all labels joined, and the explanation of the outlier is there."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            rows = {m["name"]: (m["rows"], m["labelled_rows"]) for m in self._get("/api/monitors")}
            done = rows["drift"][0] == len(sent.ids) == rows["performance"][1]
            if done and self._explanation(sent) is not None and self._accuracies(sent)[1] is not None:
                return
            time.sleep(1.0)

    def show(self, console: Console, sent: Sent) -> None:
        self._counts(sent)
        self._alarms(console, sent)
        self._accuracy(console, sent)
        self._outlier(console, sent)

    def verdict(self, console: Console) -> bool:
        for what, ok in self.checks:
            console.print(f"{'[green]ok[/green]    ' if ok else '[red]FAILED[/red]'} {what}")
        return all(ok for _, ok in self.checks)

    def _get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(path, params=parameters).raise_for_status().json()

    def _check(self, what: str, ok: bool) -> None:
        self.checks.append((what, ok))

    def _counts(self, sent: Sent) -> None:
        for monitor in self._get("/api/monitors"):
            rows = monitor["rows"]
            self._check(f"{monitor['name']} counted {rows} of {len(sent.ids)} rows", rows == len(sent.ids))

    def _alarms(self, console: Console, sent: Sent) -> None:
        table = Table("alert", "at row", "rows after the shift", title=f"Alarms; the shift is at row {self.clean}")
        first: dict[str, int] = {}
        false = 0
        for alert in self._get("/api/alerts"):
            if alert["state"] != "firing" or alert["monitor"] not in ALARMS:
                continue
            row = bisect_left(sent.times, alert["time"])
            false += row <= self.clean
            if row > self.clean and alert["monitor"] not in first:
                first[alert["monitor"]] = row
                table.add_row(alert["monitor"], str(row), str(row - self.clean))
        console.print(table)
        console.print(f"false alarms in the {self.clean} rows before the shift: {false}")
        self._check("no false alarm before the shift", false == 0)
        for name in ALARMS:
            self._check(f"{name} raised an alarm after the shift", name in first)

    def _accuracies(self, sent: Sent) -> tuple[float | None, float | None]:
        """Of the last window before the shift, and of the last window."""
        before = after = None
        shift = sent.times[self.clean]
        for result in self._get("/api/results", monitor="performance"):
            if result["status"] != "ok":
                continue
            if result["end"] <= shift:
                before = result["values"]["accuracy"]
            elif result["start"] >= shift - 1.0:
                after = result["values"]["accuracy"]
        return before, after

    def _accuracy(self, console: Console, sent: Sent) -> None:
        before, after = self._accuracies(sent)
        table = Table("window", "accuracy", title="Accuracy of the last 150 rows, from delayed labels")
        for name, value in (("before the shift", before), ("after the shift", after)):
            table.add_row(name, "unknown" if value is None else f"{value:.3f}")
        console.print(table)
        self._check("accuracy was good before the shift", before is not None and before > 0.85)
        self._check("accuracy is seen to fall after it", after is not None and after < 0.75)

    def _explanation(self, sent: Sent) -> dict[str, Any] | None:
        jobs = self._get("/api/explanations")
        done = [job for job in jobs if job["status"] == "done" and job["request"] == sent.ids[self.outlier]]
        return done[0] if done else None

    def _outlier(self, console: Console, sent: Sent) -> None:
        job = self._explanation(sent)
        self._check(f"the outlier (row {self.outlier}) was flagged and explained", job is not None)
        if job is None:
            return
        table = Table("feature", "contribution", "+-", title=f"Why row {self.outlier} is strange ({job['explainer']})")
        for name, value, error in contributions(job["result"]["data"])[:5]:
            table.add_row(name, f"{value:+.3f}", f"{error:.3f}")
        console.print(table)


def contributions(data: dict[str, Any]) -> list[tuple[str, float, float]]:
    """(feature, Shapley value, standard error) of the first output, the largest first."""
    values, errors = (next(iter(data[key].values())) for key in ("shap_values", "standard_error"))
    found = [(name, float(value), float(errors[name] or 0.0)) for name, value in values.items() if value is not None]
    return sorted(found, key=lambda item: -abs(item[1]))
