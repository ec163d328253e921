"""Runs, metrics, artifacts and models on MLflow: the only part of lth that imports mlflow."""
