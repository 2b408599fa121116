"""What the tables share: rows as TeX."""
