#!/usr/bin/env bash
# Everything that only a GPU shows (benchmarks/gpu.py), with the Python that is there: torch with CUDA, torchvision,
# numpy, scipy, matplotlib, scikit-learn, safetensors, tqdm, click, psutil, pytest and hypothesis are enough.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=passive CUBLAS_WORKSPACE_CONFIG=:4096:8
exec "${PYTHON:-python3}" -m benchmarks.gpu "$@"
