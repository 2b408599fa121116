"""What the laws share: estimates with intervals, lifetimes, which runs are read."""
