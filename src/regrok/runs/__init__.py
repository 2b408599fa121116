"""From trained runs to the four tables: the store, rows, frames and their checks."""
