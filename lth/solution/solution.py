"""A trained solution of a level: its weights, mask and rewind point, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lth.data.normalisation import Normalisation
from lth.errors import InputError
from lth.inputs import Inputs, each
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.place import Kind, Place
from lth.setting.network import NetworkSpec
from lth.setting.reference import is_reference
from lth.setting.setting import Setting
from lth.training.objective import told
from lth.training.train import EpochRecord, TrainingState


@dataclass(frozen=True)
class Solution:
    """One trained network w(L) = m(L) ⊙ w(L), with everything the next level and an analysis need."""

    place: Place
    spec: NetworkSpec
    setting: Setting
    mask: Mask
    initial: Weights  # where this training started, already masked, by the mask of then if it moved
    rewind: TrainingState  # wk of the dense network: parameters, buffers, momentum, step k
    final: Weights  # w(L)
    history: tuple[EpochRecord, ...]
    data_digest: str  # of the whole data set, SHA-256
    key: str  # content key of everything that determined this solution
    ancestors: tuple[str, ...] = ()  # keys of w(0), w(1), …, w(L-1)
    trajectory: Mapping[int, Weights] = field(default_factory=dict)  # weights after an epoch
    normalisation: Normalisation | None = None  # of inputs; earlier versions did not keep it
    mask_moved: bool = False  # during training; then the mask is that of its end

    def __repr__(self) -> str:
        of = f"{self.spec.name} on {self.setting.data.dataset}, seed {self.setting.seed}"
        attained = f", test {self._attained()}" if self.history else ""
        return f"<Solution {self.name}: {of}, density {self.density:.1%}{attained}, key {self.key[:8]}>"

    def _attained(self) -> str:
        training, value = self.setting.training, self.history[-1].test.accuracy
        if training.metric == "auto" and training.loss != "cross_entropy":
            return f"metric {value:.4g}"  # of classes their accuracy, else R²
        return told("accuracy" if training.metric == "auto" else training.metric, value)

    @property
    def weights(self) -> Weights:
        """The final weights, w(L)."""
        return self.final

    @property
    def kind(self) -> Kind:
        """`imp` or a baseline."""
        return self.place.kind

    @property
    def level(self) -> int:
        """Of whose density it is; 0 is the dense network."""
        return self.place.level

    @property
    def density(self) -> float:
        """Share of the prunable weights that is kept."""
        return self.mask.density

    @property
    def name(self) -> str:
        """What a person calls it: `dense`, `level 3`, `one_shot at level 3`."""
        return self.place.name

    @property
    def num_bytes(self) -> int:
        """How much memory its tensors take, without the trajectory."""
        rewound, states = self.rewind, (self.initial, self.rewind.weights, self.final)
        tensors = [*self.mask.keep.values(), *rewound.momentum.values()]
        for state in states:
            tensors += [*state.parameters.values(), *state.buffers.values()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @property
    def network(self) -> nn.Module:
        """A new network that holds the final weights, in evaluation mode, on the CPU.

        It is an ordinary `nn.Module`: `.train()` it and go on. As in training, it takes inputs that
        `normalise` made of raw ones, where the model that is logged takes raw ones.

        Raises:
            ValueError: If the network is the user's own function: a checkpoint must not name code to run.
                Call the function yourself and `solution.weights.load_into(network)`.
        """
        if is_reference(self.spec.name):
            raise InputError(
                f"the network is {self.spec.name}, which would run code that the checkpoint names; "
                "build it yourself, then solution.weights.load_into(network)"
            )
        network = build_network(self.spec, self.setting.seed)
        self.final.load_into(network)
        return network

    def normalise(self, inputs: Inputs) -> Any:
        """Return what the network takes, of raw inputs as the data set has them, on their device.

        Raises:
            ValueError: If the checkpoint is of an earlier version, which did not keep mean and deviation.
        """
        if self.normalisation is None:
            raise InputError(
                f"the checkpoint of {self.name} is of an earlier lth, which did not keep what inputs are "
                "normalised with; take `channel_mean` and `channel_std` from the data set of its run in MLflow"
            )
        return self.normalisation.to(next(tensor for _, tensor in each(inputs)).device)(inputs)
