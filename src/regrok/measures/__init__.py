"""What is measured on a run: events, norms, spectra."""
