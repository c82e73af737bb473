"""The checks, in the order in which they run: those that stop monitors or the site come last."""

from __future__ import annotations

from vedette.testing.platforms.checks import answering, asking, counting, stopping, suffering
from vedette.testing.platforms.checks._table import PlatformCheck

FUNCTIONS = (
    answering.answers_are_the_plain_ones,
    answering.errors_are_the_plain_ones,
    answering.request_id_that_is_given_is_kept,
    answering.request_id_is_minted_where_none_is_given,
    answering.requests_can_be_left_out,
    counting.every_row_is_counted_once,
    counting.labels_find_their_predictions,
    asking.instances_are_explained,
    asking.past_predictions_are_explained,
    suffering.slow_monitors_do_not_slow_the_model,
    suffering.a_monitor_that_raises_is_quarantined_alone,
    suffering.a_batch_that_kills_its_workers_is_parked,
    stopping.results_are_those_of_a_replay,
    stopping.rows_that_monitors_missed_are_counted_as_dropped,
    stopping.shutdown_loses_nothing,
)
__all__ = ["PLATFORM_CHECKS", "PlatformCheck"]
PLATFORM_CHECKS = {function.__name__: PlatformCheck(function.__name__, function) for function in FUNCTIONS}
