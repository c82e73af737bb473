"""Capture: a platform's call becomes a batch."""

from vedette.engine.capture.call import MAX_BODY, MAX_ROWS, Call, Undecodable, failed
from vedette.engine.capture.decode import decode

__all__ = ["MAX_BODY", "MAX_ROWS", "Call", "Undecodable", "decode", "failed"]
