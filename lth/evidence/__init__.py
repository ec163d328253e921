"""What a study found, how sure it is over seeds, and the claims it is held against."""
