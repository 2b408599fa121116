"""What is asked: the types of a study, reading them, and grids → runs → jobs."""
