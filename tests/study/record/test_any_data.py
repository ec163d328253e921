"""What is recorded of a study says its inputs, its loss, its metric and its optimiser, whichever they are."""
