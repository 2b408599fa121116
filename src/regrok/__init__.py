"""Regrok: an executable audit of what the grokking literature claims in numbers."""
