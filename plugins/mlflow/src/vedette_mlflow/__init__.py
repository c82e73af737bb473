"""Vedette on MLflow."""
