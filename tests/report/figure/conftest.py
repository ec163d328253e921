import pytest


@pytest.fixture
def legend_texts():
    return lambda axes: [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.fixture
def line_labelled():
    def find(axes, start):
        (line,) = [line for line in axes.lines if str(line.get_label()).startswith(start)]
        return line

    return find
