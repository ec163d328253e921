"""What `mlflow run` needs of us: an environment, an experiment, and the last word on its run."""
