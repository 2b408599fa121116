"""What probes share: states of runs, networks that can be differentiated, tables."""
