"""For users of `bentoml.monitor`: all monitors by configuration alone.

::

    services:
      Income:
        monitoring:
          enabled: true
          type: vedette_bentoml.monitor.VedetteMonitor
          options: {config: monitors.yaml}

`config` alone runs the monitors in threads of the model's own process: nothing else has to be deployed, at the price of
their CPU time, and each worker of the model is one more replica on the same store. With `url` the rows go to monitors
that run elsewhere (`vedette serve`, Ray Serve, a watched bento), and this process only encodes and sends.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vedette.engine.capture.call import Call
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import HttpTransport
from vedette_bentoml import graph
from vedette_bentoml.labelling import Labels, Target
from vedette_bentoml.local import LocalMonitors, tap_settings
from vedette_bentoml.positions import place
from vedette_bentoml.records import ROLES, Record, Recorder

log = logging.getLogger("vedette.bentoml")
OPTIONS = ("config", "url", "token")
CLOSE_TIMEOUT = 15.0  # monitors that have just been asked for the first time take some seconds to start
LAST = 1.0  # seconds for what is left to be done when all time is gone
_opened: list[VedetteMonitor] = []
_opening = threading.Lock()


class VedetteMonitor(Recorder):
    """Records of `bentoml.monitor(name)` as calls for a tap.

    Features become inputs, the prediction (or several: their names say what they are, such as `prediction` and
    `probability`) the answer, and targets labels. A record belongs to the request that is being served: its
    X-Request-Id, or the id that BentoML returns in X-BentoML-Request-ID; rows of several records in one request are
    numbered on, in the records' order.

    config: monitors.yaml, relative to the working directory; or a mapping of monitors' names to such files.
    url: of monitors that run elsewhere, instead.  token: with scope `write`; may name variables, as in `${TOKEN}`.

    An option that is wrong is logged: monitoring is off then, and the model is served all the same.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name)
        self.tap: Tap | None = None
        self.labels: Target | None = None
        self._target = name
        self._options = {key: value for key, value in options.items() if key not in _DEFAULTS}
        try:
            with _opening:
                if not self._share():
                    self._connect(self._options)
        except Exception as error:  # this runs while a request is served, and the model must not suffer
            log.error("bentoml.monitor(%r) is not monitored: %s", name, error)

    def export(self, record: Record) -> None:
        """Hand the record to the tap, its labels to the feedback."""
        tap = self.tap
        if tap is None:
            return
        headers = graph.request_headers()
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        scope = graph.request_scope()
        known = given or graph.own_request_id() if scope is not None else None
        identity = known or tap.new_id()  # nothing tells records outside of a request apart but an id of their own
        features, answers, targets = (record.of(role) for role in ROLES)
        rows, labels = (max(map(len, part.values()), default=0) for part in (features, targets))
        first = place(scope, self._target, rows, labels)
        if features:
            answer: Any = next(iter(answers.values())) if len(answers) == 1 else (answers or None)
            call = Call(
                args=(features,), response=answer, headers=headers,
                time=time.time(), request_id=identity, first_row=first,
            )  # fmt: skip
            tap.offer(call)
        if self.labels is not None:
            for values in targets.values():
                self.labels.put(identity, values, first)

    def dropped(self) -> None:
        if self.tap is not None:
            self.tap.count("dropped_calls")

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Ship, or count as lost, what is left: labels when monitors that were just started are there for them, and
        before the tap, which tells how many were lost."""
        deadline = time.monotonic() + timeout
        with _opening:
            tap, self.tap = self.tap, None
            if self in _opened:
                _opened.remove(self)
        if tap is not None:
            tap.drain(timeout)
        if self.labels is not None:
            self.labels.close(max(LAST, deadline - time.monotonic()))
        if tap is not None:
            tap.close(max(LAST, deadline - time.monotonic()))

    def _share(self) -> bool:
        """Use the tap of another monitor of this name, if there is one: BentoML may make two, of which it keeps one,
        when the first requests come at once."""
        for other in _opened:
            if (other.name, other._options) == (self.name, self._options):
                self.tap, self.labels, self._target = other.tap, other.labels, other._target
                return True
        return False

    def _connect(self, options: Mapping[str, Any]) -> None:
        if unknown := set(options) - set(OPTIONS):
            raise ValueError(f"monitoring.options: unknown {sorted(unknown)}; allowed: {', '.join(OPTIONS)}")
        url, config = options.get("url"), self._config(options.get("config"))
        if (url is None) == (config is None):
            raise ValueError("monitoring.options: give exactly one of `config` and `url`")
        self._target = str(url or config)
        if url is not None:
            from vedette.config.variables import expand_text

            token = options.get("token")
            token = None if token is None else expand_text(str(token), os.environ)
            try:
                tap = Tap(HttpTransport(str(url), token))
            except ValueError as error:
                raise ValueError(f"monitoring.options: url: {error}") from error
            self.labels = Labels.over_http(str(url), token, partial(tap.count, "dropped_labels"))
        else:
            monitors = LocalMonitors(config)
            settings, version = tap_settings(config)
            tap = Tap(monitors, settings, model_version=version)
            self.labels = Labels(monitors.feedback, partial(tap.count, "dropped_labels"))
        self.tap = tap
        _opened.append(self)
        _close_with_service()

    def _config(self, config: Any) -> Any:
        if not isinstance(config, Mapping):
            return config
        if self.name not in config:
            raise ValueError(f"monitoring.options.config: no file for {self.name!r}; there are: {', '.join(config)}")
        return config[self.name]


_DEFAULTS = ("log_config_file", "log_path")  # BentoML's options of its own monitor, which are always given


def _close_with_service() -> None:
    """BentoML's processes end by a signal, so that nothing of atexit runs: the service's shutdown closes the taps."""
    try:
        import bentoml

        instance = bentoml.get_current_service()
    except Exception:  # not in a service (a script, a test): the tap closes itself at the end of the process
        return

    async def stop(self: Any) -> None:
        import anyio.to_thread

        for monitor in _taken():
            await anyio.to_thread.run_sync(monitor.close)

    graph.add_stop_hook(instance, "_vedette_monitors_stop", stop)


def _taken() -> Sequence[VedetteMonitor]:
    with _opening:
        taken = list(_opened)
        _opened.clear()
    return taken
