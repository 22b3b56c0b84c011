"""The main job from scripts and notebooks: progress, results as tables and pictures, pages beside the code."""
