"""Make the checkout's virtual environment with one extra of pyproject.toml, for a user who has Python and nothing else.

Debian's python3 comes without `ensurepip` (package python3-venv); then pip is taken from PyPI, its hash checked.
"""

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PIP_INDEX = "https://pypi.org/pypi/pip/json"


def main(extra: str) -> int:
    stamp = VENV / f"cakra-{extra}.stamp"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return 0
    print(f"setup: preparing {VENV.name} with the packages of '{extra}' (a minute or two, once)", flush=True)
    python = make_environment()
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", f".[{extra}]"]
    if subprocess.run(install, cwd=ROOT, check=False).returncode:
        print(
            "setup: the packages could not be installed; check the network and run the command again", file=sys.stderr
        )
        return 1
    for old in VENV.glob("cakra-*.stamp"):
        if old.read_text() != wanted:
            old.unlink()
    stamp.write_text(wanted)
    return 0


def make_environment() -> str:
    """Path of the environment's Python, with pip in it."""
    python = str(VENV / "bin" / "python")
    has_pip = [python, "-c", "import pip"]
    if Path(python).exists() and subprocess.run(has_pip, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return python
    bundled = importlib.util.find_spec("ensurepip") is not None
    subprocess.run(
        [sys.executable, "-m", "venv", "--clear", *([] if bundled else ["--without-pip"]), str(VENV)], check=True
    )
    if not bundled:
        with tempfile.TemporaryDirectory() as folder:
            wheel = download_pip(Path(folder))
            subprocess.run([python, f"{wheel}/pip", "install", "--quiet", str(wheel)], check=True)
    return python


def download_pip(folder: Path) -> Path:
    """Fetch pip's wheel from PyPI and check its hash."""
    with urllib.request.urlopen(PIP_INDEX, timeout=60) as answer:
        release = next(file for file in json.load(answer)["urls"] if file["packagetype"] == "bdist_wheel")
    address = urljoin(PIP_INDEX, release["url"])  # a mirror may give it relative to the index
    with urllib.request.urlopen(address, timeout=60) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != release["digests"]["sha256"]:
        raise SystemExit("setup: pip from PyPI has another hash than PyPI says; try again")
    wheel = folder / release["filename"]
    wheel.write_bytes(content)
    return wheel


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1]))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"setup: {error}; check the network and the folder's rights, and try again") from None
