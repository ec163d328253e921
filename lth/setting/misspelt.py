"""What is meant by a parameter that there is not: a slip, another program's word, what lth does without."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from lth.errors import InputError

CLOSE = 0.72  # of difflib's ratio: one slip in a word of five letters, two in one of ten

# Words of other programs and papers, as `plainly` leaves them.
_OTHER_WORDS = {
    "lr": "learningrate initiallr initlr baselr maxlr peaklr lrinit lrmax stepsize alpha eta",
    "momentum": "sgdmomentum beta mu",
    "optimizer": "optimiser optim opt solver adam adamw sgd rmsprop optimizername",
    "betas": "adambetas beta1 beta2",
    "weight_decay": "wd l2 l2reg l2penalty decay regularization regularisation",
    "batch_size": "bs batch bsz minibatch minibatchsize trainbatchsize batchsizetrain perdevicetrainbatchsize",
    "epochs": "epoch numepochs nepochs maxepochs trainepochs trainingepochs numtrainepochs epochsperlevel "
    "iterations iters numiterations maxsteps trainingsteps numsteps maxiter",
    "milestones": "lrmilestones lrsteps decayepochs decaysteps milestonesteps gamma lrgamma",
    "schedule": "scheduler lrschedule lrscheduler lrschedulertype lrpolicy lrdecay cosine annealing",
    "warmup": "warmupepochs warmupsteps warmupratio numwarmupsteps lrwarmup",
    "grad_clip": "clip clipgrad clipgradnorm gradientclip gradientclipping gradientclipval maxgradnorm "
    "gradnorm",
    "loss": "lossfn lossfunction lossname criterion objective",
    "label_smoothing": "smoothing ls",
    "metric": "metrics score scoring evalmetric",
    "rewind_step": "rewind rewindepoch rewindepochs rewinditeration rewindingstep rewindingsteps rewindto "
    "rewindpoint",
    "fine_tune_epochs": "finetune finetuning",
    "prune_fraction": "sparsity density prunerate pruningrate prunepercent pruneratio pruningratio "
    "pruningfraction pruneamount amount pruningamount prunepct targetsparsity",
    "scope": "pruningstrategy pruningscope prunescope globalpruning layerwise unstructured",
    "prune_layers": "layers pruninglayers pruninglayerstoignore layerstoprune layerstoignore ignoredlayers",
    "levels": "nlevels numlevels level rounds pruningrounds numrounds pruningiterations impiterations cycles",
    "network": "model arch architecture net backbone modelname networkname modeltype",
    "dataset": "data datasetname datasource task",
    "data_dir": "dataroot datapath datafolder datasetdir datasetpath root dir path",
    "train_examples": "trainsize ntrain numtrain subset trainsubset maxtrainsamples numsamples samples "
    "examples images",
    "image_size": "imgsize imagesz imgsz inputsize resize resolution",
    "augmentation": "augment aug augmentations transform transforms dataaugmentation flip crop",
    "precision": "amp dtype fp16 bf16 fp32 float16 bfloat16 half autocast mixedprecision",
    "compile": "torchcompile jit",
    "trajectory": "snapshots savesnapshots saveepochs checkpoints",
    "device": "gpu gpus cuda cpu accelerator devices ngpus numgpus gpuid",
    "workers": "numworkers nworkers processes numprocesses nproc jobs njobs parallel numjobs threads",
    "seeds": "numseeds nseeds replicates replicate nreplicates repeats runs numruns trials",
    "seed": "randomseed rng rngseed manualseed globalseed randomstate",
    "k": "eigenvalues numeigenvalues neigenvalues neigs numeigs topk topn topeigenvalues numeigenthings",
    "basis_gib": "memory memorybudget basismemory krylovmemory",
    "trace_probes": "probes hutchinsonprobes hutchinsonsamples tracesamples",
    "density_steps": "lanczossteps lanczositerations",
    "hessian_examples": "hessianbatchsize hessiansamples hessianimages curvatureexamples",
    "directions": "ndirections numdirections randomdirections",
    "direction_norm": "normalization normalisation filternorm filternormalization",
    "cutoff_margin": "cutoff losscutoff threshold lossthreshold epsilon",
    "points": "npoints numpoints alphas interpolationpoints linepoints",
    "grid": "gridsize gridpoints surfacepoints surfaceresolution",
    "keep_every": "saveevery savefreq saveinterval checkpointevery checkpointinterval checkpointfreq",
    "fresh": "force overwrite nocache recompute restart rerun",
    "patience": "timeout storetimeout",
    "preset": "config configuration configfile cfg setting settings recipe",
    "from_run": "runid fromrunid parentrun parent initfrom pretrained",
    "kind": "baseline method strategy pruner",
    "measures": "measure measurement measurements analyses",
}

# What there is no parameter for, and what is there instead.
_ABSENT = {
    "dampening eps epsilonadam amsgrad": (
        "optimizer=package.module:function is your own, a function of the parameters, with whatever it takes"
    ),
    "dropout droprate width depth hidden hiddensize channels activation numlayers": (
        "that is of a network: network=resnet20-w32 is wider, network=package.module:function is your own"
    ),
    "accumulate gradientaccumulation gradaccum ema swa": "a step is of one batch, and the last weights count",
    "valsplit validation validationsplit valfraction valsize testsize testsplit earlystopping": (
        "nothing is chosen by held-out data, so there is no validation set: the last weights are the solution"
    ),
    "resume continue checkpoint loadcheckpoint resumefrom": (
        "the same command goes on where it stopped; from_run names another study's run to go on from"
    ),
    "out outdir output outputdir outputpath logdir savedir savepath resultsdir rundir trackinguri": (
        "results go to the tracking store that MLFLOW_TRACKING_URI names"
    ),
    "experiment experimentname expname exp runname name project wandb tag tags": (
        "MLFLOW_EXPERIMENT_NAME names the experiment; runs get their names from the study"
    ),
    "verbose verbosity quiet debug loglevel progress": "each task is told in a line or two, always",
    "dryrun plan list": "no parameter of this command only looks",
}


def check_known(names: Collection[str], known: Collection[str]) -> None:
    """Check that parameters are ones that there are.

    Raises:
        InputError: If one is not.
    """
    for name in names:
        if name not in known:
            hint = meant(name, known) or f"known are {', '.join(known)}"
            raise InputError(f"{name!r} is not a parameter; {hint}")


def meant(name: str, known: Collection[str]) -> str:
    """Return what to say of a name that is no parameter; empty where nothing is known of it.

    >>> meant("learning-rate", ["lr", "momentum"])
    'did you mean lr?'
    >>> meant("bath_size", ["lr", "batch_size"])
    'did you mean batch_size?'
    >>> meant("ema", ["lr"])
    'a step is of one batch, and the last weights count'

    Args:
        name: As it was typed, with or without hyphens.
        known: The parameters that there are.
    """
    found = parameter_meant(name, known)
    if found is not None:
        return f"did you mean {found}?"
    plain = plainly(name)
    return next((instead for words, instead in _ABSENT.items() if plain in words.split()), "")


def parameter_meant(name: str, known: Collection[str]) -> str | None:
    """Return the one of some parameters that is meant by a name; None if none is."""
    plain, by_plain = plainly(name), {plainly(each): each for each in known}
    if plain in by_plain:
        return by_plain[plain]
    for parameter, words in _OTHER_WORDS.items():
        if parameter in known and plain in words.split():
            return parameter
    if any(plain in words.split() for words in _ABSENT):
        return None
    for plural in (f"{plain}s", plain.removesuffix("s")):
        if plural in by_plain:
            return by_plain[plural]
    close = get_close_matches(plain, by_plain, n=1, cutoff=CLOSE)
    return by_plain[close[0]] if close and len(plain) > 2 else None


def plainly(name: str) -> str:
    """Return a name without what people write in different ways: case, hyphens, underscores, dots and spaces.

    >>> plainly("--Weight-Decay")
    'weightdecay'
    """
    return "".join(letter for letter in name.lower() if letter.isalnum())
