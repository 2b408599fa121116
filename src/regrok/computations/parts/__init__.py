"""What the computations share: exact recursions and closed forms."""
