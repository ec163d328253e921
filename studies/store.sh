# Sourced: where evidence is kept, outside the checkout, so that the next machine or checkout goes on from it.
export LTH_EVIDENCE="${LTH_EVIDENCE:-$HOME/lth-evidence}/$1"
mkdir -p "$LTH_EVIDENCE"
export MLFLOW_TRACKING_URI="sqlite:///$LTH_EVIDENCE/mlflow.db" OMP_WAIT_POLICY=passive
PYTHON=${PYTHON:-$PWD/.venv/bin/python}
