"""Masked SGD along a schedule, and the evaluation of what it reaches; knows neither levels nor methods."""
