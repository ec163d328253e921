"""What each kind of result looks like as an MLflow run."""
