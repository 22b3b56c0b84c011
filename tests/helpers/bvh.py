"""BVH files that tests write."""

from __future__ import annotations

XYZ = "Xposition Yposition Zposition"


ZXY = "Zrotation Xrotation Yrotation"


SKELETON = f"""HIERARCHY
ROOT Hips
{{
  OFFSET 5 6 7
  CHANNELS 6 {XYZ} {ZXY}
  JOINT Spine
  {{
    OFFSET 0 20 0
    CHANNELS 3 {ZXY}
    End Site
    {{
      OFFSET 0 10 0
    }}
  }}
}}
"""


ROWS = ["10 90 0 0 0 0 0 0 0", "11 91 1 90 0 0 0 0 0", "12 92 2 0 0 0 90 0 0"]


def bvh(
    rows: list[str] = ROWS, skeleton: str = SKELETON, time: str = "0.0333333", frames: int | None = None
) -> str:
    count = len(rows) if frames is None else frames
    return f"{skeleton}MOTION\nFrames: {count}\nFrame Time: {time}\n" + "".join(row + "\n" for row in rows)


SIX = SKELETON.replace(f"3 {ZXY}", f"6 {XYZ} {ZXY}")


DUMMY = f"""HIERARCHY
ROOT Dummy
{{
  OFFSET 0 0 0
  CHANNELS 6 {XYZ} {ZXY}
""" + SIX.split("\n", 1)[1].replace("ROOT", "JOINT") + "}\n"
