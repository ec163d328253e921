"""A study on a tracking store: its tasks, who does the next one, and the runs that hold the results."""
