"""A GPT, built from its parts, trained, sampled and opened.

The files are read in the order of the chapters: config, tokenizer, bytepairs, gpt2, model,
windows, recipe, muon, train, sample, reader, sizes, export, parallel.

>>> import torch
>>> _ = torch.manual_seed(0)
>>> model = GPT(Config(vocabulary=27, context=16, layers=2, heads=2, width=16))
>>> tokens = torch.randint(27, (4, 17))
>>> loss = next_token_loss(model(tokens[:, :-1]), tokens[:, 1:])
>>> round(loss.item(), 1)  # log 27 = 3.3: it has learned nothing yet
3.3
"""

from udl.gpt import export, sizes
from udl.gpt.config import PRESETS, Config, preset
from udl.gpt.model import GPT, Cache, attention, attention_maps, next_token_loss
from udl.gpt.muon import Muon, orthogonalize
from udl.gpt.recipe import RECIPES, Recipe, optimizer_for
from udl.gpt.sample import Beam, beam, generate, shape, stream
from udl.gpt.tokenizer import BytePairs, Characters, Tokenizer, gpt2_encoding
from udl.gpt.train import Progress, Trained, fit, load
from udl.gpt.windows import Windows, validation_windows

__all__ = [
    "GPT",
    "PRESETS",
    "RECIPES",
    "Beam",
    "BytePairs",
    "Cache",
    "Characters",
    "Config",
    "Muon",
    "Progress",
    "Recipe",
    "Tokenizer",
    "Trained",
    "Windows",
    "attention",
    "attention_maps",
    "beam",
    "export",
    "fit",
    "generate",
    "gpt2_encoding",
    "load",
    "next_token_loss",
    "optimizer_for",
    "orthogonalize",
    "preset",
    "shape",
    "sizes",
    "stream",
    "validation_windows",
]
