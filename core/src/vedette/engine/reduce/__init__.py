"""What one holder a pool runs: close ticks, compute results, judge alerts, join labels."""
