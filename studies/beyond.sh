#!/usr/bin/env bash
# Geometry beyond the paper on real images: from which step ResNet-20 of half the width is stable on 1,000 images of
# Fashion-MNIST, whether its barriers survive alignment, and whose basins have the larger mass
# (studies/fashion_mnist_data.py). One level of half the weights: at the full width and two levels it is planned for 4.2
# hours of a core a seed, and this for 47 minutes. In the window of 0.4 the basin of w(1) of seed 0 was below e^-14, and
# its losses told 0.18 as one that shows it; in that of 0.15 its mass is e^-0.2. DATA is torchvision's folder or Debian's
# /usr/share/datasets/fashion-mnist. Interrupted, the same line goes on. SEEDS=0 bash studies/beyond.sh does and publishes
# a part. SMALL="--epochs=2 …" departs from it, to try it out.
set -euo pipefail
cd "$(dirname "$0")/.."
all=0,1,2
source studies/store.sh beyond
common=(
    --preset=resnet20-fashion-mnist --data_dir="${DATA:-data}"
    --network=resnet20-w8 --dataset=studies.fashion_mnist_data:fewer_test_images --train_examples=1000 --augmentation=none
    --epochs=20 --batch_size=64 --lr=0.1 --momentum=0.9 --weight_decay=1e-4 --milestones=10ep,15ep
    --rewind_step=1ep --fine_tune_epochs=5 --fine_tune_lr=last --precision=bf16 --compile=off
    --epoch_examples=500 --trajectory=log --prune_fraction=0.5
    --k=20 --second_k=0.5 --trace_probes=10 --density_probes=5 --density_steps=40
    --hessian_examples=128 --directions=8 --direction_norm=filter
    --cutoff_margin=0.1 --points=11 --grid=11 --plane=0,last,random_init --every_level=none
    --loss_margin=0.01 --error_margin=0.02
    --beyond=aligned,volume --align_points=11 --volume_directions=25 --mass_draws=60 --mass_window=0.15
)
read -ra changed <<< "${SMALL:-}"
common+=("${changed[@]}")
study=("${common[@]}" --levels=${LEVELS:-1})
seeds=${SEEDS:-$all}
# Seed 0 was reported in a store that is gone, of which nothing was declared. One seed is no look at a study.
# Where trainings are there already it comes too late; the report then says that nothing was declared.
"$PYTHON" -m entrypoints.study --seeds=$all "${study[@]}" --declare=only || echo "not declared: going on without"
stability=("${common[@]}" --steps="${STEPS:-0,1ep,4ep}" --levels=0 --copies=2)
"$PYTHON" -m entrypoints.stability --seeds="$seeds" "${stability[@]}"
"$PYTHON" -m entrypoints.study --seeds="$seeds" "${study[@]}"
"$PYTHON" -m studies.publish results/beyond --seeds="$seeds" "${study[@]}"
"$PYTHON" -m studies.publish_stability results/beyond --seeds="$seeds" "${stability[@]}"
