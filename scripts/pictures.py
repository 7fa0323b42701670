"""Take the pictures of the documentation anew: seeded runs, a real server, a real browser.

    make pictures

Each scene is taken in light and dark, 1280 × 800, and kept with 256 colours: drawings need no more.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from tests.browser import launch
from tests.servers import serve

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SCENES = {
    "experiment": "/experiments/vision%2Fresnet-sweep?group=param:model.name",
    "run": "/runs/{run}",
    "table": "/experiments/grid-50x10x2000?order=metric.min:val/loss&base={best}"
    "&cols=param:optimizer,param:lr,param:batch_size,spark:val/loss,metric.min:val/loss,metric:val/accuracy,metric:train/loss",
}
SETTLED_MS = 2_500


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder, "w")
        demo = [sys.executable, "-m", "tracklog", "demo", "--once", "--workspace", str(workspace)]
        subprocess.run([*demo, "--scale", "runs=2k", "--scale", "50x10x2000"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(demo, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "TRACKLOG_QUIET": "1"})
        with serve(workspace) as server, sync_playwright() as playwright:
            browser = launch(playwright)
            for theme in ("light", "dark"):
                context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=theme)
                page = context.new_page()
                names = {"run": _run(page, server.url, "sgd-digits"), "best": _run(page, server.url, "grid-50x10x2000")}
                for name, path in SCENES.items():
                    page.goto(server.url + path.format_map(names))
                    page.wait_for_timeout(SETTLED_MS)
                    _keep(page.screenshot(), IMAGES / f"{name}-{theme}.png")
            browser.close()


def _run(page: Page, url: str, experiment: str) -> str:
    query = {"experiment": experiment, "limit": 1}
    found = page.request.post(f"{url}/api/v1/runs/search", data=query).json()
    return str(found["runs"][0]["id"])


def _keep(png: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
