"""The child process of :mod:`ra_widgets.library.pickles`: ``python -I _unpickle.py SOURCE TARGET``. Imports nothing of ours.

Ends with 0; 3: refused by the restricted unpickler, 4: no weights in it, 5: torch is too old, 1: anything else.
"""

import pickle
import sys

WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net", "netG", "generator")
"""Keys under which training programs put the weights, averages first."""


def find_weights(data):
    """The dictionary of tensors in what was read, {} if there is none."""
    import torch

    for _ in range(4):
        if not isinstance(data, dict):
            return {}
        inner = next((data[key] for key in WRAPPERS if isinstance(data.get(key), dict)), None)
        if inner is None:
            return {str(key): value for key, value in data.items() if isinstance(value, torch.Tensor)}
        data = inner
    return {}


def main(source, target):
    """Read ``source``, write ``target``; the exit code."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass
    import torch
    from safetensors.torch import save_file

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < (2, 6):
        return 5
    try:
        data = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        print(str(error)[:400], file=sys.stderr)
        return 3
    weights = find_weights(data)
    if not weights:
        return 4
    save_file({key: value.detach().clone().contiguous() for key, value in weights.items()}, target)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2]))
    except Exception as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        sys.exit(1)
