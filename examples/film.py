"""Film scenes of the lesson as an animated picture: what the README shows.

    python examples/film.py wishes.webp
    python examples/film.py all.webp --scenes feed-forward a-step --size 1280x720

Needs Playwright with a Chromium, and Pillow: `pip install ".[dev,plot]"`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WISHES = ["asks-before", "ten-voters"]
"""Scenes in which wishes flow back, add up and cancel."""


def main() -> None:
    """Write the scenes that the command line names into one animated picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="an animated picture: .webp, .gif or .png")
    parser.add_argument("--scenes", nargs="+", default=WISHES, metavar="SCENE")
    parser.add_argument("--size", default="1200x660", metavar="WxH")
    parser.add_argument("--width", type=int, default=840, help="of the picture, in pixels")
    parser.add_argument("--fps", type=int, default=12, help="pictures a second")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    pictures = list(frames(options.scenes, width, height, options.width, options.fps))
    first, *others = pictures
    first.save(
        options.file, save_all=True, append_images=others, duration=1000 // options.fps, loop=0,
        quality=55, method=4,
    )  # fmt: skip
    print(f"{options.file}: {len(pictures)} pictures, {options.file.stat().st_size:,} bytes")


def frames(scenes: list[str], width: int, height: int, shown: int, fps: int) -> Iterator[Any]:
    """Yield pictures of the scenes, each a moment later than the one before."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from tinygrad_bp.lesson.page import stage_page
    from tinygrad_bp.lesson.stage import stage_data

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "lesson.html"
        path.write_text(stage_page(stage_data()), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark")
        page.goto(path.as_uri())
        while not page.evaluate("() => window.lesson.ready()"):
            page.wait_for_timeout(20)
        for scene in scenes:
            seconds = page.evaluate("id => window.lesson.seconds(id)", scene)
            for i in range(int(seconds * fps)):
                page.evaluate("([id, t]) => window.lesson.seek(id, t)", [scene, i / fps])
                page.evaluate("() => new Promise(done => requestAnimationFrame(done))")
                picture = Image.open(io.BytesIO(page.screenshot()))
                size = (shown, round(shown * height / width))
                yield picture.resize(size, Image.Resampling.LANCZOS)
        browser.close()


if __name__ == "__main__":
    main()
