"""From history to thresholds: what rules would have raised, and what would have kept to a budget."""
