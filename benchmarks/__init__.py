"""asv imports this folder as a package; its scripts, which run by themselves, find one another in it then too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
