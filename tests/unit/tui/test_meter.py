"""The level of the microphone on the screen of `patter simulate`."""

from __future__ import annotations

import pytest

from patter_cli.tui.draw import draw
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import theme
from patter_cli.tui.view import ScreenView


@pytest.mark.parametrize(
    ("level_db", "shown"),
    [(-96, "mic ........"), (-60, "mic ........"), (-30, "mic ####...."), (-7, "mic #######."), (0, "mic ########")],
)
def test_the_louder_the_longer(level_db: int, shown: str) -> None:
    """Nothing below -60 dB, all of it at full scale; where no microphone is used there is none."""
    signs = theme(coloured=False, unicode=False)
    for level, wanted in ((level_db, True), (None, False)):
        frame = draw(ScreenView(level_db=level), Steering(), title="patter simulate", width=80, height=24, theme=signs)
        header = "".join(each.text for each in frame.rows[0])
        assert (shown in header) is wanted
