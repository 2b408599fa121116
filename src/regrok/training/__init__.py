"""The trainer: slots of stacked models, a queue of runs, and what their code says."""
