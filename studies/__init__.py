"""Studies whose results are published in `results/`: one script a study, and what publishes it."""
