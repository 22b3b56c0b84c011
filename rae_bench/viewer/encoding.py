"""Frames of a scene as files: GIF by Pillow, MP4 by ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError
from rae_bench.storage import whole_file
from rae_bench.viewer.film import GIF_FPS, HEIGHT, MP4_FPS, WIDTH, frames
from rae_bench.viewer.page import Scene


def write_gif(scene: Scene, path: Path) -> Path:
    """Write the film as a GIF, whole or not at all."""
    from PIL import Image

    def pictures() -> Iterator[Any]:
        palette = None
        for frame in frames(scene, GIF_FPS):
            picture = Image.fromarray(frame)
            # One palette for all frames, so that what stands still keeps its colour.
            palette = palette or picture.quantize(64)
            yield picture.quantize(palette=palette, dither=Image.Dither.NONE)

    film = pictures()
    with whole_file(path) as scratch:
        first = next(film)
        first.save(scratch, "GIF", save_all=True, append_images=film, duration=round(1000 / GIF_FPS), loop=0)
    return path


def find_encoder() -> str:
    """Return the ffmpeg of this machine: the one on the PATH, or that of the package imageio-ffmpeg.

    Raises:
        UserError: there is no ffmpeg.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise UserError(
            "--mp4 needs ffmpeg, which is not on the PATH; install it (Debian: apt-get install ffmpeg) or "
            "`pip install imageio-ffmpeg`, or write a --gif, which needs nothing"
        ) from None


def write_mp4(scene: Scene, path: Path, encoder: str) -> Path:
    """Write the film as MP4, whole or not at all. Raise `UserError` with the encoder's message where it fails."""
    fps = min(scene.fps, MP4_FPS)
    with whole_file(path) as scratch, tempfile.TemporaryFile() as said:
        command = [encoder, "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", f"{fps:g}", "-i", "-"]
        command += ["-an", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(scratch)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said)
        assert process.stdin is not None
        try:
            for frame in frames(scene, fps):
                process.stdin.write(frame.tobytes())
            process.stdin.close()
        except BrokenPipeError:  # the encoder has ended; its message says why
            pass
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        if code:
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip().splitlines()
            raise UserError(f"{encoder} cannot make {path}: {words[-1] if words else f'it ended with {code}'}")
    return path
