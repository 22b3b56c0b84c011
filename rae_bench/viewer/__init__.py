"""Motion as pages, pictures and films: skeletons side by side or overlaid."""

from rae_bench.viewer.gather import domain_scene, result_scene, run_scene
from rae_bench.viewer.page import Actor, Clip, Scene, page, write_page

__all__ = ["Actor", "Clip", "Scene", "domain_scene", "page", "result_scene", "run_scene", "write_page"]
