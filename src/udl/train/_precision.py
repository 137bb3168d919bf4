"""Numbers of 16 bits where they are enough: half the memory, and faster on a GPU."""

from contextlib import AbstractContextManager, nullcontext

import torch


def choose(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the type that autocast shall use on a device, or None for none."""
    cuda = device.type == "cuda"
    if precision == "auto":
        if not cuda:
            return None
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if precision == "float16" and not cuda:
        raise ValueError(
            "expected a model on a CUDA device for precision='float16', "
            f"got one on {str(device)!r}; 'bfloat16' works everywhere"
        )
    types = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if precision not in types:
        raise ValueError(f"expected one of {[*types, 'auto']}, got precision={precision!r}")
    return types[precision]


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Return a context in which torch computes in `dtype` where that is safe."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def scaler(device: torch.device, dtype: torch.dtype | None) -> torch.amp.GradScaler:
    """Return what keeps small float16 gradients from rounding to zero; else it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
