"""The frames of each file that a table such as 100STYLE's `Frame_Cuts.csv` keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import RECIPE, header, walk

from rae_bench.data.importing.frame_cuts import read_frame_cuts
from rae_bench.data.importing.recordings import import_folder
from rae_bench.errors import UserError

CUTS = replace(RECIPE, frame_cuts="cuts.csv")


def test_a_row_for_each_style_and_two_columns_for_each_action(tmp_path: Path) -> None:
    path = tmp_path / "cuts.csv"
    path.write_bytes(
        b"\xef\xbb\xbfSTYLE_NAME,BR_START,BR_STOP,TR1_START,TR1_STOP,NOTE\r\n"
        b"Old, 10,50,N/A,N/A,slow\r\nLeft_Hop,0,7,3,9,\r\n\r\nShort,4\r\n"
    )
    assert read_frame_cuts(path) == {"Old_BR": (10, 50), "Left_Hop_BR": (0, 7), "Left_Hop_TR1": (3, 9)}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "names no columns such as FW_START and FW_STOP"),
        (b"STYLE,FW_START\nOld,3\n", "names no columns such as"),
        (b"STYLE,FW_START,FW_STOP\nOld,30,30\n", "Old, FW: frames 30 to 30 are none"),
        (b"STYLE,FW_START,FW_STOP\n\xff\xfe,1,2\n", "no CSV file of frame cuts"),
        (b'STYLE,FW_START,FW_STOP\n"' + b"a" * 200000 + b'",1,2\n', "no CSV file of frame cuts"),
    ],
)
def test_other_tables_are_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "cuts.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"cuts\.csv: .*{complaint}"):
        read_frame_cuts(tmp_path / "cuts.csv")


def test_frames_are_cut_at_the_rate_of_the_file(tmp_path: Path) -> None:
    for name in ("Old_FW", "Old_BW", "Odd_ID"):
        (tmp_path / f"{name}.bvh").write_text(header() + walk(4, 60, 50.0 + 9 * len(name)))
    (tmp_path / "cuts.csv").write_text("STYLE,FW_START,FW_STOP,BW_START,BW_STOP\nOld,60,220,100,9999\n")
    whole, cut = import_folder(tmp_path, RECIPE, "x"), import_folder(tmp_path, CUTS, "x")
    lengths = dict(zip(cut.takes, cut.motion.lengths, strict=True))
    assert lengths == {"Old_FW": 80, "Old_BW": 70, "Odd_ID": 120}
    row, whole_row = cut.takes.index("Old_FW"), whole.takes.index("Old_FW")
    np.testing.assert_allclose(
        cut.motion.positions[row, :80], whole.motion.positions[whole_row, 30:110], atol=1e-5
    )
    told = "first and last frames of 2 files, by cuts.csv; it does not list 1 files, which are whole: Odd_ID.bvh"
    assert told in cut.provenance["dropped"]
    later = import_folder(tmp_path, replace(CUTS, skip_frames=120), "x")
    assert dict(zip(later.takes, later.motion.lengths, strict=True)) == {"Old_BW": 60, "Odd_ID": 60}  # 1.7 s is short
    (tmp_path / "cuts.csv").write_text("STYLE,FW_START,FW_STOP,BW_START,BW_STOP\nOld,60,221,100,9999\n")
    assert import_folder(tmp_path, CUTS, "x").identity != cut.identity


def test_cuts_that_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "Old_FW.bvh").write_text(header() + walk(3, 30))
    with pytest.raises(UserError, match=r"cuts\.csv: the file of frame cuts cannot be read \(No such file"):
        import_folder(tmp_path, CUTS, "x")
    (tmp_path / "cuts.csv").write_text("STYLE,FW_START,FW_STOP\nOld,90,400\n")
    with pytest.raises(UserError, match=r"Old_FW\.bvh: 90 frames, frame_cuts = cuts\.csv leaves none"):
        import_folder(tmp_path, CUTS, "x")
    (tmp_path / "cuts.csv").write_text("STYLE,FW_START,FW_STOP\nNew,9,40\n")
    with pytest.raises(UserError, match=r"cuts\.csv: lists none of the files, such as Old_FW\.bvh"):
        import_folder(tmp_path, CUTS, "x")
