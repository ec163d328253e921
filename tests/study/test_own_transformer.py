import pytest

from examples.own_transformer import main

SMALLER = {"train_examples": "32", "epochs": "2", "hessian_examples": "4", "k": "3", "points": "3", "grid": "3"}


@pytest.mark.nightly
def test_the_example_of_an_own_transformer_goes_through_two_levels_and_shows_every_measure(tracking):
    told = main(**SMALLER, trace_probes="2", density_probes="2", density_steps="3", directions="2")
    for level in ("level 2", "dense"):
        assert level in told
    for what in (
        *(
            "log_eig_product",
            "largest eigenvalue",
            "Hessian trace",
            "mean radius, filter",
            "mean radius, plain",
        ),
        *("barrier, training loss", "barrier, test error", "eigenvalues standing out"),
        *("loss of the worst IMP solution", "distance of level 2"),
    ):
        assert what in told, what
