"""A model on Ray Serve, watched: from an ordinary deployment to alarms, accuracy and explanations, in two minutes.

    python demo.py [--keep]

Starts a Ray of its own and ends only that, when it is done or stopped with Ctrl-C.
Exit code 1 when something that it should show did not happen.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from model import TRAINED_ON, Array, grid, scans
from reference import ROWS, reference
from rich.console import Console
from rich.table import Table
from story import Story
from traffic import Labels, Traffic

from vedette_rayserve.deploy import ServeClient
from vedette_rayserve.local import LocalRay

HERE = Path(__file__).parent
CLEAN = 400  # rows before the scanner is misaligned
OUTLIER = 200  # the row that is a scan of the wrong side
MOST_ROWS = 50  # a second: among more, 600 reference rows cannot tell that one is strange at `fdr: 0.2`
DEPLOY_TIMEOUT = 120.0
console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="go on serving afterwards, until Ctrl-C")
    parser.add_argument("--rate", type=float, default=30.0, help="rows a second, at most 50")
    options = parser.parse_args()
    if not 0 < options.rate <= MOST_ROWS:
        parser.error(f"--rate: {options.rate:g} is not above 0 and at most {MOST_ROWS}")
    folder = Path(tempfile.mkdtemp(prefix="vedette-demo-"))
    ray = LocalRay(environment={"PYTHONPATH": str(HERE)})
    for number in (signal.SIGINT, signal.SIGTERM):  # also where it runs in the background
        signal.signal(number, signal.default_int_handler)
    try:
        ok = run(ray, folder, options.rate)
        if options.keep:
            keep(ray, folder)
        return 0 if ok else 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not leave half of it running
            signal.signal(number, signal.SIG_IGN)
        ray.stop()
        shutil.rmtree(folder, ignore_errors=True)


def keep(ray: LocalRay, folder: Path) -> None:
    console.print(f"\nModel {ray.url}/  monitors {ray.url}/vedette/digits/  Ray {ray.dashboard}", soft_wrap=True)
    console.print(f"Files in {folder}. [b]Ctrl-C ends it all.[/b]", soft_wrap=True)
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()


def run(ray: LocalRay, folder: Path, rate: float) -> bool:
    step("Starting Ray")
    ray.start()
    client = ServeClient(ray.dashboard)
    write_files(folder, ray.http_port)
    images, shown = held_out()

    step("serve deploy serve_config.yaml: the model alone")
    command(ray, folder, "serve", "deploy", "serve_config.yaml", "--address", ray.dashboard)
    wait_for_apps(client, {"digits"})
    plain = Traffic(ray.url).send(grid(images[:100]), rate=200.0)

    step("vedette rayserve instrument, serve deploy monitored.yaml: the same model, watched")
    arguments = ["rayserve", "instrument", "serve_config.yaml", "-c", "monitors.yaml", "-o", "monitored.yaml"]
    command(ray, folder, "vedette", *arguments)
    command(ray, folder, "serve", "deploy", "monitored.yaml", "--address", ray.dashboard)
    wait_for_apps(client, {"digits", "digits-vedette"})

    step(f"{CLEAN} held-out scans, then {len(images) - CLEAN} from a scanner that is one pixel off; labels come later")
    story = Story(f"{ray.url}/vedette/digits", CLEAN, OUTLIER)
    rows = grid(images)
    rows[CLEAN:] = grid(misaligned(images[CLEAN:]))
    rows[OUTLIER] = 16.0 - rows[OUTLIER]
    labels = Labels(f"{ray.url}/vedette/digits/feedback", shown, delay=3.0)
    watched = Traffic(ray.url, labels).send(rows, rate)
    labels.finish()

    step("Waiting until the monitors have seen everything")
    story.wait(watched)
    show_latencies(plain, watched)
    story.show(console, watched)
    show_replicas(client)
    return story.verdict(console)


def held_out() -> tuple[Array, Any]:
    """Scans that are neither in the training set nor in the reference, with what they show."""
    images, shown = scans()
    first = TRAINED_ON + ROWS
    return images[first:].copy(), shown[first:]


def misaligned(images: Array) -> Array:
    """The same scans one pixel to the right."""
    moved = np.roll(images, 1, axis=2)
    moved[:, :, 0] = 0.0
    return moved


def write_files(folder: Path, port: int) -> None:
    reference().to_csv(folder / "reference.csv", index=False)
    (folder / "monitors.yaml").write_text((HERE / "monitors.yaml").read_text())
    config = (HERE / "serve_config.yaml").read_text().replace("port: 8000", f"port: {port}")
    (folder / "serve_config.yaml").write_text(config)


def command(ray: LocalRay, folder: Path, *arguments: str) -> None:
    console.print(f"  [dim]$ {' '.join(arguments)}[/dim]")
    program = Path(sys.executable).parent / arguments[0]
    done = subprocess.run(
        [program, *arguments[1:]], env=ray.environment, cwd=folder, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed:\n{done.stdout}\n{done.stderr}")


def wait_for_apps(client: ServeClient, names: set[str]) -> None:
    deadline = time.monotonic() + DEPLOY_TIMEOUT
    while time.monotonic() < deadline:
        found = client.applications()
        failed = [f"{n}: {a['message']}" for n, a in found.items() if a["status"] in ("DEPLOY_FAILED", "UNHEALTHY")]
        if failed:
            raise SystemExit("\n".join(failed))
        if names <= {name for name, app in found.items() if app["status"] == "RUNNING"}:
            return
        time.sleep(1.0)
    raise SystemExit(f"not running within {DEPLOY_TIMEOUT:g} s: {client.applications()}")


def show_latencies(plain: Any, watched: Any) -> None:
    table = Table("predictions", "rows", "p50 ms", "p99 ms", title="Latency, as a client sees it")
    for name, sent in (("plain", plain), ("watched", watched)):
        p50, p99 = np.percentile(np.array(sent.seconds) * 1000, [50, 99])
        table.add_row(name, str(len(sent.seconds)), f"{p50:.1f}", f"{p99:.1f}")
    console.print(table)


def show_replicas(client: ServeClient) -> None:
    table = Table("application", "deployment", "replicas", title="Replicas")
    for name, app in client.applications().items():
        for deployment, details in app["deployments"].items():
            table.add_row(name, deployment, str(len(details["replicas"])))
    console.print(table)


def step(text: str) -> None:
    console.print(f"[b cyan]{time.monotonic() - STARTED:5.0f} s[/b cyan]  {text}")


STARTED = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
