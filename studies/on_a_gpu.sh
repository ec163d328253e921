#!/usr/bin/env bash
# The trainings and measurements of a study on a machine with a GPU and little else, within a time limit:
#
#   MINUTES=9 DATA=images bash studies/on_a_gpu.sh studies/fashion_mnist.sh
#
# There must be Python with torch (CUDA), torchvision, numpy, scipy, matplotlib, scikit-learn, safetensors, tqdm,
# click, jinja2 and psutil. Where MLflow is not, WHEELS is a folder of wheels (21 MB) made elsewhere by
#
#   pip download --dest wheels --python-version 3.12 --only-binary=:all: mlflow-skinny==3.17.2 sqlalchemy alembic
#
# Without pandas no model is logged beside a checkpoint, and without plotly no report is drawn: the study ends
# saying so. All that was done is in STORE (store.tar); where that is there, the next call goes on from it. At home:
#
#   mkdir -p ~/lth-evidence && tar -xf store.tar -C ~/lth-evidence
#   MLFLOW_TRACKING_URI=sqlite:///$HOME/lth-evidence/fashion_mnist/mlflow.db lth relocate
#   bash studies/fashion_mnist.sh
set -uo pipefail
cd "$(dirname "$0")/.."
script=${1:?which study: bash studies/on_a_gpu.sh studies/fashion_mnist.sh}
PYTHON=${PYTHON:-$(command -v python3)}
STORE=$(realpath -m "${STORE:-store.tar}")
export PYTHON LTH_EVIDENCE=${LTH_EVIDENCE:-$PWD/store} LTH_WORKERS=${LTH_WORKERS:-4} OMP_NUM_THREADS=1
export CUBLAS_WORKSPACE_CONFIG=${CUBLAS_WORKSPACE_CONFIG:-:4096:8}
export PYTHONPATH=$PWD/.wheels${PYTHONPATH:+:$PYTHONPATH}

if ! "$PYTHON" -c 'import mlflow, sqlalchemy, alembic' 2>/dev/null; then
  "$PYTHON" -m pip install --quiet --no-index --find-links "${WHEELS:-wheels}" --target .wheels --upgrade \
    mlflow-skinny sqlalchemy alembic || exit
fi
if [ -e "$STORE" ] && [ ! -e "$LTH_EVIDENCE" ]; then
  mkdir -p "$LTH_EVIDENCE" && tar -xf "$STORE" -C "$LTH_EVIDENCE" || exit
  for database in "$LTH_EVIDENCE"/*/mlflow.db; do
    MLFLOW_TRACKING_URI="sqlite:///$database" "$PYTHON" -m entrypoints.relocate || exit
  done
fi

# SIGTERM reaches the command, which keeps its progress; a minute is for that. The script must outlive it: what is
# packed before then lacks it.
timeout --kill-after=45 "$(awk "BEGIN { print int(60 * ${MINUTES:-9}) - 60 }")" \
  bash -c 'trap : TERM; source "$0"' "$script"
status=$?
tar -cf "$STORE.part" -C "$LTH_EVIDENCE" . && mv "$STORE.part" "$STORE" || exit
echo "lth: $(du -h "$STORE" | cut -f1) of results in $STORE; the study ended with status $status"
exit "$status"
