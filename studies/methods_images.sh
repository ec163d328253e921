#!/usr/bin/env bash
# Ways to a sparse network on real images, beside the order that their papers give: Fashion-MNIST by a ResNet-20 of
# half the width, of 2,000 images, at a sixteenth of the weights (studies/fashion_mnist_data.py). Three seeds, declared
# before the first begins. The chains of Renda et al., which rewind the learning rate or nothing, are studies of their
# own, of which trainings alone are done; studies/order.py writes all accuracies into one table. DATA is torchvision's
# folder or Debian's /usr/share/datasets/fashion-mnist. Interrupted, the same line goes on; it takes an hour and a
# half of a core a seed. SEEDS=0 bash studies/methods_images.sh does and publishes a part; with TO=measurements nothing is
# reported, so no seed is looked at before all are there.
set -euo pipefail
cd "$(dirname "$0")/.."
all=0,1,2
source studies/store.sh methods_images
methods=magnitude_at_init,erk,snip,grasp,synflow,layer_magnitude,shuffled
methods+=,rigl,set,gradual,ac_dc,safe,permuted,unpermuted
study=(
    --preset=resnet20-fashion-mnist --data_dir="${DATA:-data}"
    --network=resnet20-w8 --dataset=studies.fashion_mnist_data:fewer_test_images --train_examples=2000
    --augmentation=none
    --epochs=30 --batch_size=64 --lr=0.1 --momentum=0.9 --weight_decay=1e-4 --milestones=15ep,23ep
    --rewind_step=2ep --fine_tune_epochs=10 --fine_tune_lr=last --precision=bf16 --compile=off
    --epoch_examples=500 --trajectory=log --prune_fraction=0.5 --levels=4
    --k=20 --second_k=0.5 --trace_probes=10 --density_probes=10 --density_steps=60
    --hessian_examples=256 --directions=8 --direction_norm=filter
    --cutoff_margin=0.1 --points=11 --grid=9 --plane=0,last,random_init --every_level=none
    --loss_margin=0.01 --error_margin=0.02 --methods=$methods --own_method=none
)
seeds=${SEEDS:-$all}
# Seed 0 was reported in a store that is gone; it had been declared before. One seed is no look at a study.
"$PYTHON" -m entrypoints.study --seeds=$all "${study[@]}" --declare=only
for seed in ${seeds//,/ }; do
    for rewind in lr none; do
        "$PYTHON" -m entrypoints.imp_level --level=4 --seed="$seed" "${study[@]}" --methods=none --rewind=$rewind
    done
    if [ "${TO:-report}" = measurements ]; then
        "$PYTHON" -m entrypoints.analyze --seed="$seed" "${study[@]}"
    fi
done
if [ "${TO:-report}" = measurements ]; then
    exit
fi
"$PYTHON" -m entrypoints.study --seeds="$seeds" "${study[@]}"
"$PYTHON" -m studies.publish results/methods_images --seeds="$seeds" "${study[@]}"
"$PYTHON" -m studies.order results/methods_images/order.csv --level=4 --seeds="$seeds"
