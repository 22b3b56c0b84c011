"""A page that shows motion: skeletons side by side or overlaid, in one HTML file that needs nothing else."""

from rae_bench.viewer.gather import domain_scene, result_scene, run_scene
from rae_bench.viewer.page import Character, Clip, Scene, page, write_page

__all__ = ["Character", "Clip", "Scene", "domain_scene", "page", "result_scene", "run_scene", "write_page"]
