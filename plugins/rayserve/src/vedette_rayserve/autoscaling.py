"""How many replicas a pool needs: by the messages that are on their way, and by how much of the time some wait.

Serve sends this module by value to its controller, where Vedette need not be installed: it may import Ray only.
"""

from __future__ import annotations

from typing import Any, cast

from ray.serve.config import AutoscalingConfig, AutoscalingContext

POLICY = "vedette_rayserve.autoscaling:by_lag"
BUSY = 0.7  # share of its time that a replica should have messages; more calls for another replica


def by_lag(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """Replicas that are wanted; Serve keeps them within min and max, delays them, and wakes a pool at zero itself.

    A tap has one message in flight for each pool, so at most as many messages wait as the model has replicas: their
    number alone never shows that a pool falls behind. How long they wait does: a replica that always has a message is
    as fast as it can be, and the taps hold back the rest.
    """
    running, config = context.current_num_replicas, cast("AutoscalingConfig", context.config)
    if running == 0:
        return context.target_num_replicas, {}
    said = context.aggregated_metrics or {}
    lag = sum(said.get("lag", {}).values())
    waiting = max(context.total_num_requests, lag)  # handles' reports can be late, or lost with their process
    busy = sum(said.get("busy", {}).values())
    return max(waiting / config.get_target_ongoing_requests(), busy / BUSY), {}
