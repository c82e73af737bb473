"""Changes of any metric's series, with a promise about false alarms whatever its distribution is."""
