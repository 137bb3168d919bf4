// A run of the playground as a Python program that repeats it and prints the losses.

import { DEFAULTS } from "./engine.mjs";

// By udl, which repeats the run to the last bit, or by PyTorch alone: there sums have another order,
// so weights agree to about six digits, and not at all where the run is chaotic.
export function exportCode(engine, library = "udl") {
  if (!["udl", "torch"].includes(library)) {
    throw new Error(`expected one of udl, torch, got library=${JSON.stringify(library)}`);
  }
  return library === "udl" ? udl(engine) : torch(engine);
}

// What Python writes as JSON does, but for a few words.
const python = (value) => (Array.isArray(value) ? `[${value.map(python).join(", ")}]`
  : value === null ? "None" : JSON.stringify(value));

// The weights that were set by hand, by the number of steps before.
function editsOf({ edits }) {
  const groups = new Map();
  for (const edit of edits) groups.set(edit.steps, [...(groups.get(edit.steps) ?? []), edit]);
  const lines = [...groups].map(([steps, group]) =>
    `    ${steps}: ${python(group.map(({ index, value }) => [index, value]))},\n`);
  return `EDITS = {  # weights set by hand: after so many steps, [index, value]\n${lines.join("")}}\n`;
}

function udl(engine) {
  const { history, config, epoch, batch, batchesPerEpoch } = engine;
  const settings = Object.keys(DEFAULTS)
    .filter((key) => JSON.stringify(config[key]) !== JSON.stringify(DEFAULTS[key]))
    .map((key) => `    ${key}=${python(config[key])},\n`).join("");
  const edited = history.edits.length > 0;
  return `# A run of the playground, to the last bit.
from udl.playground import Config, Engine

STEPS = ${engine.steps}  # ${epoch} epochs of ${batchesPerEpoch} batches, and ${batch} more
${edited ? editsOf(history) : ""}
engine = Engine(Config(
${settings}))
${history.loaded ? `engine.load(${JSON.stringify(history.start)})\n` : ""}${edited ? `

def edit():
    for index, value in EDITS.get(engine.steps, []):
        engine.set_weight(index, value)


edit()
` : ""}while engine.steps < STEPS and engine.step():
    ${edited ? "edit()" : "pass"}
print(engine.losses())
`;
}

const FEATURES = { "x1": "x1", "x2": "x2", "x1^2": "x1 * x1", "x2^2": "x2 * x2", "x1*x2": "x1 * x2",
  "sin(x1)": "torch.sin(x1)", "sin(x2)": "torch.sin(x2)" };
const MODULES = { relu: "ReLU", tanh: "Tanh", sigmoid: "Sigmoid" };

function torch(engine) {
  const { config, widths, classes, data, history } = engine;
  if (history.start.steps > 0) {
    throw new Error("expected a run from its beginning, got one that was loaded after "
      + `${history.start.steps} steps`);
  }
  const { phi, streams, order } = history.start;
  const crossEntropy = config.loss === "cross-entropy", edited = history.edits.length > 0;
  const drop = config.dropout > 0 && config.hidden.length > 0;
  const last = crossEntropy || classes === 0 ? "linear" : "tanh";
  const kinds = [...config.activations, last];
  const table = ({ x, y }) => `[${Array.from(y, (label, e) =>
    `[${x[2 * e]}, ${x[2 * e + 1]}, ${label}]`).join(", ")}]`;

  const layers = kinds.map((kind, k) => `    torch.nn.Linear(${widths[k]}, ${widths[k + 1]}),\n`
    + (MODULES[kind] ? `    torch.nn.${MODULES[kind]}(),\n` : "")
    + (drop && k < kinds.length - 1 ? "    Dropout(),\n" : "")).join("");
  const loss = crossEntropy
    ? (classes === 3 ? "torch.nn.functional.cross_entropy(f, y.long())"
      : "torch.nn.functional.binary_cross_entropy_with_logits(f[:, 0], y)")
    : (classes === 3 ? "((f - (2 * torch.nn.functional.one_hot(y.long(), 3) - 1)) ** 2).sum(1).mean() / 2"
      : classes === 2 ? "((f[:, 0] - (2 * y - 1)) ** 2).mean() / 2"
        : "((f[:, 0] - y) ** 2).mean() / 2");
  const { alpha, beta, gamma, epsilon, l1, l2 } = config;
  const optimizer = {
    sgd: `SGD(groups, lr=${alpha})`,
    momentum: `SGD(groups, lr=(1 - ${beta}) * ${alpha}, momentum=${beta})`,
    adam: `Adam(groups, lr=${alpha}, betas=(${beta}, ${gamma}), eps=${epsilon})`,
  }[config.optimizer];

  return `# A run of the playground, by PyTorch.
import torch

torch.set_default_dtype(torch.float64)
STEPS, BATCH = ${engine.steps}, ${config.batch}
${edited ? editsOf(history) : ""}TRAIN = torch.tensor(${table(data.train)})
TEST = torch.tensor(${table(data.test)})
PHI = torch.tensor(${python(phi)})


def numbers(state):
    """Yield random numbers: the generator mulberry32."""
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = (state ^ (state >> 15)) * (1 | state) & 0xFFFFFFFF
        t = ((t + (t ^ (t >> 7)) * (61 | t)) & 0xFFFFFFFF) ^ t
        yield (t ^ (t >> 14)) / 2**32


def features(x):
    """Return the network's inputs."""
    x1, x2 = x[:, 0], x[:, 1]
    return torch.stack([${config.features.map((name) => FEATURES[name]).join(", ")}], dim=1)


def loss(model, examples):
    """Return the loss, without penalties."""
    f, y = model(features(examples)), examples[:, 2]
    return ${loss}

${drop ? `
DROPS = numbers(${streams[1] >>> 0})


class Dropout(torch.nn.Module):
    """torch.nn.Dropout with the random numbers of the playground."""

    def forward(self, h):
        if not self.training:
            return h
        draws = torch.tensor([[next(DROPS) for _ in h] for _ in range(h.shape[1])])
        return h * torch.where(draws.T < ${config.dropout}, 0.0, 1 / (1 - ${config.dropout}))


` : ""}${edited ? `
def edit(steps):
    """Set the weights that were set by hand after so many steps."""
    with torch.no_grad():
        phi = torch.nn.utils.parameters_to_vector(model.parameters()).clone()
        for index, value in EDITS.get(steps, []):
            phi[index] = value
        torch.nn.utils.vector_to_parameters(phi, model.parameters())


` : ""}model = torch.nn.Sequential(
${layers})
torch.nn.utils.vector_to_parameters(PHI, model.parameters())
weights = [p for p in model.parameters() if p.ndim == 2]
biases = [p for p in model.parameters() if p.ndim == 1]
groups = [{"params": weights, "weight_decay": ${l2}}, {"params": biases}]
optimizer = torch.optim.${optimizer}
order, shuffling, steps = ${python(order)}, numbers(${streams[0] >>> 0}), 0
${edited ? "edit(0)\n" : ""}while steps < STEPS:
    for i in range(len(order) - 1, 0, -1):
        j = int(next(shuffling) * (i + 1))
        order[i], order[j] = order[j], order[i]
    for first in range(0, len(order), BATCH):
        if steps == STEPS:
            break
        optimizer.zero_grad()
        loss(model, TRAIN[order[first : first + BATCH]]).backward()
        optimizer.step()
${l1 > 0 ? `        with torch.no_grad():
            for w in weights:  # the L1 penalty moves each weight towards 0
                w.copy_(torch.nn.functional.softshrink(w, ${alpha} * ${l1}))
` : ""}        steps += 1
${edited ? "        edit(steps)\n" : ""}
model.eval()
with torch.no_grad():
    train, test = loss(model, TRAIN).item(), loss(model, TEST).item()
print(f"Losses(train={train}, test={test})")
`;
}
