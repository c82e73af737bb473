"""Vedette on BentoML."""
