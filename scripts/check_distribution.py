"""Check what is in the wheel and the source archive of one folder, before they are given away.

python scripts/check_distribution.py dist
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARCHIVE_NEEDS = ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/test_import.py")


def main(folder: Path) -> None:
    """Run the checks; the first that fails says what was found."""
    (wheel,) = folder.glob("*.whl")
    (archive,) = folder.glob("*.tar.gz")
    check_wheel(wheel)
    check_archive(archive)
    check_same_from_tree(wheel)
    for path in (wheel, archive):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def check_wheel(path: Path) -> None:
    """The wheel holds the package's files, all of them, its metadata and nothing else."""
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(wheel.read(metadata).decode())
        (licence,) = (name for name in names if name.endswith("/licenses/LICENSE"))
        same = wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
        assert same, f"{path.name}: another licence than the tree's"
    info = metadata.partition("/")[0]
    found = {name for name in names if not name.startswith(f"{info}/")}
    listed = subprocess.run(
        ["git", "ls-files", "--", "src"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    expected = {str(Path(name).relative_to("src")) for name in listed}
    assert found == expected, f"{path.name}: other files than the tree's: {found ^ expected}"
    assert headers["License-Expression"] == "Apache-2.0", headers["License-Expression"]
    assert headers["Requires-Python"] == ">=3.11", headers["Requires-Python"]


def check_archive(path: Path) -> None:
    """The source archive holds what building and testing need."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = [name for name in ARCHIVE_NEEDS if name not in names]
    assert not missing, f"{path.name} lacks {missing}"


def check_same_from_tree(wheel: Path) -> None:
    """The wheel, which `python -m build` makes from the archive, is the tree's to the last byte."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (other,) = Path(folder).glob("*.whl")
        assert other.read_bytes() == wheel.read_bytes(), f"{wheel.name}: not the tree's"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
