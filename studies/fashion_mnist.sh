#!/usr/bin/env bash
# Real images: Fashion-MNIST by ResNet-20, of 2,000 images, whose training loss settles near 0.01 nats (dense, seed 0),
# tested on 2,000 (studies/fashion_mnist_data.py). DATA is torchvision's folder or Debian's
# /usr/share/datasets/fashion-mnist. Interrupted, the same line goes on; it takes about two hours of a core
# a seed. SEEDS=0 bash studies/fashion_mnist.sh does and publishes a part.
set -euo pipefail
cd "$(dirname "$0")/.."
all=0,1,2
source studies/store.sh fashion_mnist
study=(
    --preset=resnet20-fashion-mnist --data_dir="${DATA:-data}"
    --network=resnet20 --dataset=studies.fashion_mnist_data:fewer_test_images --train_examples=2000 --augmentation=none
    --epochs=40 --batch_size=64 --lr=0.1 --momentum=0.9 --weight_decay=1e-4 --milestones=20ep,30ep
    --rewind_step=2ep --fine_tune_epochs=10 --fine_tune_lr=last --precision=bf16 --compile=off
    --epoch_examples=1000 --trajectory=log --prune_fraction=0.2 --levels=5
    --k=50 --second_k=0.5 --trace_probes=20 --density_probes=10 --density_steps=80
    --hessian_examples=128 --directions=12 --direction_norm=filter
    --cutoff_margin=0.1 --points=11 --grid=21 --plane=0,last,random_init --every_level=none
    --loss_margin=0.01 --error_margin=0.02 --matched_loss=off
)
seeds=${SEEDS:-$all}
# Where trainings are there already it comes too late; the report then says that nothing was declared.
"$PYTHON" -m entrypoints.study --seeds=$all "${study[@]}" --declare=only || echo "not declared: going on without"
"$PYTHON" -m entrypoints.study --seeds="$seeds" "${study[@]}"
"$PYTHON" -m studies.publish results/fashion_mnist --seeds="$seeds" "${study[@]}"
