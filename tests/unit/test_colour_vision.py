"""The figures' colours stay apart for the colour-blind, and on a printer without colours.

Colour blindness is simulated by the matrices of Machado, Oliveira and Fernandes (2009, table 1, severity 1), which act
on linear RGB. Distances are those of CIELAB, where 2.3 is just noticed.
"""

from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from textclf_lesson.plots import charts

SEEN_BY = {
    "everyone else": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)


def lab(colour, matrix=SEEN_BY["everyone else"]) -> np.ndarray:
    """CIELAB of a colour as somebody sees it: lightness 0 to 100, and two axes of hue."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(matrix) @ linear, 0, 1) / WHITE
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def lightness(colour) -> float:
    return float(lab(colour)[0])


def test_the_simulation_knows_red_from_green_only_where_an_eye_does():
    def apart(viewer):
        return np.linalg.norm(lab("#c04030", SEEN_BY[viewer]) - lab("#608020", SEEN_BY[viewer]))

    assert apart("everyone else") > 20 * apart("deuteranopes") and apart("tritanopes") > 20 * apart("deuteranopes")
    assert lightness("white") == pytest.approx(100) and lightness("black") == pytest.approx(0)
    assert lab("red") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)  # as in the tables of CIELAB


@pytest.mark.parametrize("viewer", SEEN_BY)
def test_any_two_colours_stay_far_apart(viewer):
    seen = [lab(colour, SEEN_BY[viewer]) for colour in charts.PALETTE]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 15


def test_in_greyscale_the_first_three_differ_and_all_others_by_dash_and_marker_too():
    light = [lightness(colour) for colour in charts.PALETTE]
    assert min(abs(one - other) for one, other in combinations(light[:3], 2)) > 20
    assert min(abs(one - other) for one, other in pairwise(light)) > 5
    for looks in (charts.DASHES, charts.MARKERS):
        assert len({str(look) for look in looks}) == len(looks) >= len(charts.PALETTE)


def test_lines_of_a_figure_differ_in_colour_and_in_dash():
    with plt.rc_context():
        charts.use_style()
        fig, axis = plt.subplots()
        lines = [axis.plot([0, 1], [number, 1])[0] for number in range(len(charts.PALETTE))]
        assert len({line.get_color() for line in lines}) == len(lines)
        assert len({str(line._dash_pattern) for line in lines}) == len(lines)
        plt.close(fig)


def test_a_heat_map_gets_darker_with_every_step():
    steps = [lightness(plt.get_cmap("Blues")(value)) for value in np.linspace(0, 1, 20)]
    assert all(one > other for one, other in pairwise(steps))
    assert steps[0] - steps[-1] > 60
