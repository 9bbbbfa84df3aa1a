"""The logic that projects begin with, which the tests use too."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

LOGICS = Path(__file__).parents[2] / "generators" / "agent" / "logics"


def sample(kind: str, name: str = "logic") -> ModuleType:
    """A module that a project with this kind of logic begins with, imported anew.

    Args:
        kind: the folder of the logic.
        name: the module.
    """
    file = LOGICS / kind / "templates" / "agent" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))  # the modules beside it
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # templates are copied as they are
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(file.parent))
        del sys.modules[name]
    return module
