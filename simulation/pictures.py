"""`scripts/pictures`: the README's pictures, made by running the demo and looking at it with Chromium.

docs/pictures/road.jpg      a frame of the simulated road with a finding drawn on it
docs/pictures/phone.png     the notice on the owner's phone
docs/pictures/console.png   a case in the operators' console
docs/pictures/cases.png     the list of cases
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from agent.errors import CakraError
from simulation import demo
from simulation.browser import Page, browsing, chromium
from simulation.stack import ROLES, Footage, Stack, wait_until

PICTURES = demo.ROOT / "docs" / "pictures"
_ROAD_WIDTH_PX = 960
_WINDOW_WIDTH_PX = 1240


def main() -> int:
    try:
        browser = chromium()
        if browser is None:
            raise CakraError("no Chromium on this machine; install the package chromium")
        PICTURES.mkdir(parents=True, exist_ok=True)
        road = demo.rendered("demo", demo.ROOT / ".cache" / "footage")
        with tempfile.TemporaryDirectory() as folder:
            draw_road(road, Path(folder))
            photograph(road, Path(folder), browser)
    except CakraError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def draw_road(road: Footage, folder: Path) -> None:
    """The overlay of an accepted wrong-way driver, or of the first finding where there is none."""
    out = folder / "replay"
    program = str(Path(sys.executable).parent / "cakra-agent")
    command = [program, "replay", str(road.clip), "--site", str(road.site), "--start", road.start, "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    overlays = sorted((out / "overlays").glob("*.jpg"), key=lambda path: (not path.name.startswith("wrong_way"), path))
    picture = cv2.imread(str(overlays[0]))
    if picture is None:
        raise CakraError(f"{overlays[0]}: cannot be read; run the command again")
    height = picture.shape[0] * _ROAD_WIDTH_PX // picture.shape[1]
    small = cv2.resize(picture, (_ROAD_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(PICTURES / "road.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 85])


def photograph(road: Footage, folder: Path, browser: str) -> None:
    """The pages of a demo that has delivered its notices."""
    vehicles = demo.read_truth(road.clip.parent)
    stack = Stack(folder / "stack", road, demo.owners(vehicles))
    with demo.running(stack), browsing(browser, folder) as page:
        demo.watch(stack)
        wait_until(lambda: demo.settled(stack), "delivery of the notices", demo.DELIVERY_S)
        message = stack.messages()[0]
        shoot(page, f"{stack.whatsapp_url}/phone/{message['to']}", "phone.png", 1000)
        demo.answer(stack)
        page.open(f"{stack.console_url}/login")
        page.type(ROLES[0])
        page.press("Tab")
        page.type(stack.password)
        page.press("Enter")
        page.settle()
        shoot(page, f"{stack.console_url}/", "cases.png", 700)
        shoot(page, f"{stack.console_url}/cases/{message['parameters'][1]}", "console.png", 1300)


def shoot(page: Page, address: str, name: str, height_px: int) -> None:
    """A picture of a page."""
    page.open(address)
    page.photograph(PICTURES / name, _WINDOW_WIDTH_PX, height_px)


if __name__ == "__main__":
    raise SystemExit(main())
