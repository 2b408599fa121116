"""What Snakemake asks: targets, rosters, locks, and what every script does around its one call."""
