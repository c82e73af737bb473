"""Explanations: the query broker, the ways to the model, and explain jobs."""
