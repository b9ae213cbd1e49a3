"""What `import mmx` offers."""

import subprocess
import sys

import mmx


def test_dir_lists_the_public_names_and_each_is_there() -> None:
    assert dir(mmx) == sorted(mmx.__all__)
    assert all(getattr(mmx, name) is not None for name in dir(mmx))


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, mmx; dir(mmx); assert not {'torch', 'transformers', 'numpy', 'matplotlib'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
