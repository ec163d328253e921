"""Trained solutions: how each starts, what it holds, how it is stored and gone on from."""

from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import Problem, set_up, solve
from lth.solution.solution import Solution

__all__ = ["Problem", "Solution", "read_solution", "set_up", "solve", "write_solution"]
