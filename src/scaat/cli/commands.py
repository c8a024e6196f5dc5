"""Every command with its options and help; what it does, and torch, are imported when it runs."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from scaat import __version__
from scaat.cli.command import Group
from scaat.cli.options import (
    ATTRIBUTIONS,
    METHODS,
    VARIANT,
    Setting,
    config_option,
    dataclass_options,
)
from scaat.cli.output import Interrupted, is_first_to_fail
from scaat.cli.types import NORMALISATION, NUMBER, SEED, SEEDS, SIZE, VARY, Choice, Entry, Names
from scaat.errors import (
    InputError,
    MemoryExhaustedError,
    NonFiniteLossError,
    TrainingStopped,
    WriteError,
)
from scaat.options import DataOptions, EvaluationOptions, TrainingOptions
from scaat.options.data import LARGEST

COMPLETE = "_SCAAT_COMPLETE"
"""The environment variable by which click knows that a shell asks for completion."""

OF_A_STEP = (
    *("training.model", "training.input_size", "training.adapter", "training.trainable"),
    *("training.batch_size", "training.precision", "training.accelerator", "training.compile"),
)
"""The training options that decide what a step computes, which are those of ``scaat cost``."""

FOLDER = click.Path(path_type=Path)
RUN = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

DATA = dataclass_options("data", DataOptions)
TRAINING = dataclass_options("training", TrainingOptions)
EVALUATION = dataclass_options("evaluation", EvaluationOptions, "eval-")


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, "-V", "--version", message="scaat %(version)s")
def cli() -> None:
    """Train image classifiers whose saliency maps are sparse and faithful, and measure them.

    Start with: scaat compare --out runs/first

    With images of your own: scaat new-run FOLDER --out run.yaml. Something wrong: scaat doctor.
    For completion in the shell: scaat completion --help.
    """


def run() -> None:
    """Run the command line and turn expected failures into one sentence and a status."""
    try:
        # click catches an exit of a command's own and returns its status.
        status = cli.main(standalone_mode=False, prog_name="scaat")
        if isinstance(status, int):
            sys.exit(status)
    except click.ClickException as error:
        if is_first_to_fail():
            error.show()
        sys.exit(error.exit_code)
    except (Interrupted, KeyboardInterrupt, click.Abort) as stop:
        _fail(str(stop) or "interrupted", 130)
    except TrainingStopped as stop:
        from scaat.training.devices import is_main_process

        if is_main_process():
            click.echo(str(stop), err=True)
        sys.exit(128 + stop.signal_number)
    except (InputError, NonFiniteLossError, MemoryExhaustedError, WriteError) as error:
        _fail(f"error: {error}", 2 if isinstance(error, InputError) else 1)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"error: {str(error.filename)!r}: {error.strerror}", 1)
    except RuntimeError:  # such as gloo's and NCCL's where another process has ended
        if is_first_to_fail():
            raise
        sys.exit(1)
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] == "scaat":
            raise
        from scaat.cli import missing_extra

        sys.exit(missing_extra(error))


def _fail(sentence: str, status: int) -> NoReturn:
    if is_first_to_fail():
        click.echo(sentence, err=True)
    sys.exit(status)


out_option = click.option(
    "--out", type=FOLDER, required=True, help="Folder for everything that is written; new or empty."
)
resume_option = click.option(
    "--resume", is_flag=True, help="Continue the run in --out, which must have the same options."
)
dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Make a few steps on a copy, print what the training would take (passes and time of a "
    "step, time and memory of all), and write nothing.",
)
BUDGET = (
    "SCAAT aims at an accuracy within --scaat.accuracy-budget points of standard training's, 0.5 "
    "by default."
)
method_option = click.option(
    "--method",
    type=Entry("method", METHODS),
    default="scaat",
    help=f"How to train; scaat methods lists the choices. {BUDGET}",
)
engine_option = click.option(
    "--engine",
    metavar="ENGINE",
    default="local",
    help="What runs the trainings: local, dask:ADDRESS, ray:ADDRESS, or slurm with submitit's "
    "parameters, such as slurm:partition=gpu,timeout_min=600. Workers need the file system of "
    "this machine.",
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Trainings at once; default: 1 for local, all for slurm; Dask and Ray run one on each "
    "worker. Higher values use a large GPU better, or cores that one small network leaves idle; "
    "each needs memory.",
)
method_of_run_option = click.option(
    "--method", help="Which of a comparison's models, such as scaat."
)
SEEDS_OF_TRIALS = (
    "Seeds of the split, the weights and every random draw; each trial is trained with each."
)
seeds_option = click.option("--seeds", type=SEEDS, default="0", help=SEEDS_OF_TRIALS)
seed_option = click.option(
    "--seed",
    type=SEED,
    default=0,
    help="Seed of the split, the weights and every random draw.",
)
network_option = partial(
    click.option,
    "--model",
    help="A checkpoint's network: small-resnet, small-vgg, fast-cnn, resnet18, vgg16, "
    "torchvision:NAME, timm:NAME or package.module:factory.",
)
normalisation_option = click.option(
    "--normalisation",
    type=NORMALISATION,
    help="What a checkpoint's network was trained with: imagenet, six numbers (means then "
    "deviations, for images in [0, 1]), or none if it normalises itself.",
)


@cli.command("new-run", runs="new_run:new_run")
@click.argument("data", metavar="DATA")
@click.option("--out", type=FOLDER, required=True)
@click.option("--image-size", type=click.INT)
@click.option("--group")
@click.option("--classes")
@click.option("--force", is_flag=True)
def new_run() -> None:
    """Look at DATA and write a commented configuration.

    scaat compare and scaat train take it.

    DATA is a folder of images, in a folder for each class, or whatever --data takes. Headers of
    the files are read, some images decoded; nothing is trained. The settings are those of runs
    that were measured, or rules of thumb that say so: each has a comment with its reason.

    Args:
        out: The configuration to write, FILE.yaml.
        image_size: Resize the shorter side to this and crop the centre square; default: images of
            one size up to 224 pixels stay as they are, others get their median size or 224.
        group: Parquet column whose equal values (a patient, a tile) stay in one split.
        classes: Use only these classes, separated by commas, in this order.
        force: Overwrite the file if it exists.
    """


@cli.command(settings=[*DATA, *TRAINING, *EVALUATION], takes_methods=True, runs="train:compare")
@out_option
@click.option(
    "--methods",
    type=Names(METHODS),
    default="standard,saliency-guided,scaat",
    help=f"Training methods to compare; scaat methods lists them. {BUDGET}",
)
@config_option
@seed_option
@resume_option
@dry_run_option
def compare() -> None:
    """Train several methods on one data set and compare them.

    The main job: prints the comparison and writes results.json, report.html, tables (Markdown,
    CSV, LaTeX) and figures to --out, and each model to a folder of its own there.
    """


@cli.command(settings=[*DATA, *TRAINING], takes_methods=True, runs="train:train")
@out_option
@method_option
@click.option("--reference", type=RUN)
@config_option
@seed_option
@resume_option
@dry_run_option
def train() -> None:
    """Train one model with one method.

    Writes model.pt, training.json, config.yaml, logs and the newest two checkpoints to --out.
    Measure the model with: scaat evaluate OUT

    Args:
        reference: Run whose standard training an accuracy budget is measured against; default: one
            is trained first, in OUT/reference.
    """


@cli.command(settings=[*DATA, *TRAINING, *EVALUATION], takes_methods=True, runs="sweep:sweep")
@out_option
@click.option("--vary", type=VARY, multiple=True, required=True)
@method_option
@seeds_option
@config_option
@resume_option
@engine_option
@jobs_option
@click.option("--one-at-a-time", is_flag=True)
def sweep() -> None:
    """Try settings: train each, measure it on validation images.

    Tries every combination of the values given by --vary with each seed.
    The test images are not used. Writes a table, figures and sweep.json to --out; the settings,
    results and values by image of all trials to config.yaml, trials.csv and per_image.parquet, from
    which --resume and scaat report continue; and each training to a folder of its own in
    OUT/trials, which scaat evaluate and scaat explain take. With --resume, trials that are done
    are kept, and values may be added.

    Args:
        vary: An option of this command and the values to try, such as scaat.epsilon=8/255,16/255;
            give it once for each option.
        one_at_a_time: Vary each option alone, instead of trying every combination.
    """


@cli.command(
    settings=[
        *DATA,
        *TRAINING,
        # The search has its own measures.
        *(option for option in EVALUATION if option.name != "evaluation.also_measure"),
    ],
    takes_methods=True,
    runs="tune:tune",
)
@out_option
@method_option
@click.option("--budget", type=NUMBER, default=0.5)
@click.option("--search", type=VARY, multiple=True)
@click.option("--trials", type=click.IntRange(min=1), default=20)
@seeds_option
@config_option
@resume_option
@engine_option
@jobs_option
def tune() -> None:
    """Search for the best maps that an accuracy budget buys.

    Optuna proposes settings; each is trained, from one standard training, and measured on
    validation images: accuracy, AOPC LeRF in 2 x 2 blocks and Gini index, by the first of
    --eval-attributions. Trainings that fall behind standard training by more than the budget end
    early. Writes a table, a figure and chosen.yaml for scaat compare --config to --out.

    Args:
        budget: Points of validation accuracy behind standard training that the maps may cost.
        search: An option of the training and its range or values, such as scaat.epsilon=16/255:1 or
            scaat.steps=0,1,4; once for each. Default for scaat: accuracy-budget, epsilon and
            initial-proportion.
        trials: Settings to try, those of earlier calls with --resume included.
    """


@cli.command(runs="reproduce:reproduce")
@click.argument(
    "experiments",
    metavar="[EXPERIMENT]...",
    nargs=-1,
    type=Entry("experiment", "scaat.studies.paper:EXPERIMENTS"),
)
@out_option
@resume_option
@click.option("--scale", type=Entry("scale", "scaat.studies.paper:SCALES"), default="small")
@click.option("--data", multiple=True, metavar="KEY=PLACE")
@click.option(
    "--seeds", type=SEEDS, help=f"{SEEDS_OF_TRIALS} Default: 0 at scale small, else 0,1,2."
)
@engine_option
@jobs_option
def reproduce() -> None:
    """Carry out experiments of the paper, from data to table.

    EXPERIMENT is `table1`, `table2`, `table3`, `figure2`, `figure3`, `ablations` or `baselines`;
    several share the trainings that they have in common, and the default is all of them. At scale
    small the images come with the package and stand for the paper's; at medium and full --data
    says where they are, and data that is not named is left out. Writes OUT/EXPERIMENT.md with the
    paper's values beside, and OUT/figures; the settings, results and values by image of all
    trainings to config.yaml, trials.csv and per_image.parquet, from which --resume and scaat
    report continue; and each training to a folder of its own in OUT/trials.

    Args:
        scale: small: embedded images, one seed, minutes on 2 cores; medium: parts of real data
            sets, three seeds, hours on 2 cores; full: the paper's data and networks, a GPU.
        data: Where images are, as for scaat train --data, such as cifar10=parquet:PATH; once for
            each. The error for an unknown key lists those of the scale.
    """


@cli.command(settings=[*DATA, *EVALUATION], runs="evaluate:evaluate")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=FOLDER)
@config_option
@network_option()
@normalisation_option
@click.option("--split", type=Choice(("test", "all")), default="test")
@click.option("--classes-file", type=FILE)
@click.option("--title")
@click.option("--seed", type=SEED, default=0)
@click.option("--random-labels-run", type=RUN)
def evaluate() -> None:
    """Measure the saliency maps of a trained model.

    SOURCE is the folder of a run of scaat train (or of one model of a comparison,
    OUT/models/METHOD), whose own configuration names the data; that of a shared model, with
    --data and --out; or a checkpoint file with any network's weights, for which --model,
    --normalisation, --data and --out are given. The outputs must be the classes of the data, in
    their order, or --classes-file says which ones are. Measured are the test images. A folder of
    images without class folders has no labels: no accuracy, and maps of the predicted class.
    Writes results.json, report.html, tables and figures.

    Args:
        out: Folder for the results; SOURCE/evaluation if not given.
        split: Images to measure: the data's test part, drawn by the seed if they bring none, or
            all.
        classes_file: Text file: for each class of the data, in their order, the output of the
            network, one a line, by number from 0 or, for a shared model, by name. Others are left
            out. A single line is one of several labels, absent or present. Default: the outputs are
            the classes of the data.
        title: What results call a checkpoint; the file's name if not given.
        seed: With a checkpoint: seed of the split and every random draw.
        random_labels_run: Folder of the same training on random labels (scaat train
            --random-labels): measures how much the maps resemble that model's, too.
    """


@cli.command(runs="explain:explain")
@click.argument("images", nargs=-1, required=True)
@click.option("--run", type=RUN, multiple=True)
@out_option
@click.option("--attributions", type=Names(ATTRIBUTIONS), default="gradient")
@click.option("--target", default="predicted")
@click.option("--resize", type=Choice(("crop", "stretch")))
@click.option("--layer")
@click.option("--checkpoint", type=FILE, multiple=True)
@network_option(multiple=True)
@normalisation_option
@click.option("--classes")
@click.option("--image-size", type=SIZE)
def explain() -> None:
    """Show which pixels of IMAGES drive the decisions of models.

    IMAGES are files, folders or quoted patterns.

    Writes for every image, model and saliency method an overlay (PNG) and the raw map (.npy), a
    contact sheet of all, and explanations.json. The images must have the models' size, unless
    --resize says how to make it so. Grey images become RGB; a photo's EXIF orientation counts.

    Args:
        run: Folder of a run of scaat train, of a comparison (all its models), or of a shared model;
            repeat it for models side by side.
        attributions: Saliency methods; scaat methods --kind attribution lists them.
        target: The class to explain: predicted, or a class's name or number.
        resize: How images of another size become the model's: crop (scale, then cut the longer
            side's ends) or stretch; without it they are refused.
        layer: Layer for grad-cam and guided-grad-cam, for example network.layer4; default: the last
            one with a feature map.
        checkpoint: File with a network's weights (torch.save of a state_dict, or safetensors);
            never executed.
        classes: A checkpoint's classes: how many, or a text file with one name a line.
        image_size: What a checkpoint's network takes, in pixels: 224, or 480x640 for height x
            width.
    """


@cli.command(has_result=False, runs="app:app")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option("--host", default="127.0.0.1")
@click.option("--port", type=click.IntRange(0, 65535), default=7860)
def app() -> None:
    """Serve a page that shows what the models of RUN look at.

    RUN is the folder of scaat train, of scaat compare (all its models), or of a shared model.

    On the page one chooses a test image or uploads one, sees the prediction and the saliency map
    of each model side by side, and replaces the least or the most relevant part of the image
    while the predictions follow. Ctrl-C stops. Needs the extra app and no network.

    Args:
        host: Address to listen at; 0.0.0.0 lets other machines open the page.
        port: Port to listen at; 0 for any that is free.
    """


@cli.group("data")
def data() -> None:
    """List, inspect, check and convert data sets.

    DATA is what --data of the other commands takes, such as folder:PATH.
    """


data_argument = click.argument("data", metavar="DATA")
data_classes = click.option(
    "--classes", help="Only these classes, separated by commas, in this order."
)
data_image_size = click.option(
    "--image-size", type=click.INT, help="Resize the shorter side to this and crop the centre."
)


@data.command("list", runs="data:list_")
def data_list() -> None:
    """Name the kinds of data that can be read."""


@data.command("info", runs="data:info")
@data_argument
@data_classes
def data_info() -> None:
    """Show the parts and classes of DATA, decoding hardly an image."""


@data.command("check", runs="data:check")
@data_argument
@data_image_size
@data_classes
def data_check() -> None:
    """Decode every image of DATA and name the broken ones.

    Exits with 1 if there are any. Files of CIFAR, MNIST, Fashion-MNIST, KMNIST and PatchCamelyon
    are compared to the published checksums, too.
    """


@data.command("convert", runs="data:convert")
@data_argument
@click.argument("out", type=FOLDER)
@data_image_size
@click.option("--group")
@click.option("--inclusive-boxes", is_flag=True)
@data_classes
def data_convert() -> None:
    """Write DATA decoded to the folder OUT.

    --data cache:OUT maps it into memory instead of decoding.

    Args:
        group: Parquet column whose equal values stay in one split.
        inclusive_boxes: Parquet boxes name their last pixel.
    """


@cli.command(runs="runs:report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path))
def report() -> None:
    """Make tables, figures and report.html from the results in RUN.

    Reads results.json, per_image.npz and examples.npz of each, in RUN or RUN/evaluation; neither
    model nor data is needed. Several runs make one report: methods that were trained apart are
    compared, and seeds are pooled.

    Args:
        out: Folder for the report; the folder of the results if there is one run.
    """


@cli.command(runs="share:share")
@click.argument("run", metavar="RUN", type=RUN)
@out_option
@method_of_run_option
@click.option("--licence", "--license")
@click.option("--no-pictures", is_flag=True)
@click.option("--repo-id", metavar="USER/NAME")
@click.option("--private", is_flag=True)
def share() -> None:
    """Write the model of RUN as a folder to give away.

    RUN is the folder of scaat train or scaat compare.

    Writes model.safetensors, config.json, the model card README.md and, where the run has a
    report, its figures of saliency maps, which show test images. With --repo-id the folder is
    sent to a hub, too. Load it with scaat.sharing.load_shared, or use it as RUN of scaat
    evaluate, explain and export.

    Args:
        licence: The model's licence by its name on the hub, such as apache-2.0; the card names none
            if not given.
        no_pictures: Leave out the figures, which show test images.
        repo_id: Send the folder to this repository of a Hugging Face hub, made if missing (token
            and address as huggingface_hub has them).
        private: Make the repository a private one.
    """


@cli.command(runs="share:export")
@click.argument("run", metavar="RUN", type=RUN)
@click.option("--format", "format_", type=Choice(("onnx", "torch-export")), required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@method_of_run_option
@click.option("--probabilities", is_flag=True)
def export() -> None:
    """Write the model of RUN for prediction by other programs.

    RUN is the folder of a run or of a shared model.

    Images in [0, 1] (N, channels, height, width) go in, for any N; logits come out. Normalisation
    is inside, the file has the classes' names. It is written only if it gives the model's own
    outputs on random images and on the test images that the run shows.

    Args:
        format_: onnx (needs the extra export) or torch-export (a .pt2 file of PyTorch).
        out: The file; new.
        probabilities: Give the softmax of the logits, too.
    """


@cli.command(
    settings=[
        Setting(
            "--data",
            "data.data",
            default="random",
            help="The images of the batch: random, or the first of some data's training part (see "
            "scaat data list).",
        ),
        Setting(
            "--image-size",
            "data.image_size",
            type=click.IntRange(1, LARGEST),
            help="Height and width in pixels; default: 32 for random images, the data's own for "
            "others.",
        ),
        *(option for option in TRAINING if option.name in OF_A_STEP),
    ],
    takes_methods=True,
    runs="cost:cost",
)
@click.option("--out", type=FOLDER)
@click.option("--methods", type=Names(METHODS), default=())
@click.option("--variant", "variants", type=VARIANT, multiple=True)
@click.option("--rounds", type=click.IntRange(min=1), default=10)
@click.option("--turn-seconds", type=NUMBER, default=0.1)
@click.option("--classes", type=click.IntRange(min=2))
@config_option
def cost() -> None:
    """Measure passes, time and memory of a step of each method.

    Counts passes from floating-point operations (forward, gradient with respect to the inputs
    and to the weights), times the methods by turns, measures their memory, and says how far each
    time is above that of its passes. Needs no data: images are random unless --data names some.

    Args:
        out: New or empty folder for cost.json, cost.md and cost.png; default: print alone.
        methods: Training methods to measure (scaat methods lists them); default:
            standard,saliency-guided,scaat where no --variant is given. standard is always measured.
        variants: A method with settings of its own, such as scaat:steps=1,epsilon=8/255; give it
            several times to compare settings. Unspecified settings use the method's options.
        rounds: Turns of each method, all of them one after another in each round.
        turn_seconds: Time of a turn of standard training, at least; each method repeats its step as
            often.
        classes: Of random images; default: 10.
    """


@cli.command(runs="methods:methods")
@click.argument("name", required=False)
@click.option("--kind", type=Choice(("training", "attribution", "measure")))
def methods() -> None:
    """List training methods, saliency methods or measures.

    With NAME, describe that one, with the options of a training method: scaat methods scaat

    Args:
        kind: List these alone: training methods, saliency methods (attribution) or measures.
    """


@cli.command(has_result=False)
@click.argument("shell", type=Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete scaat commands.

    \b
    bash: eval "$(scaat completion bash)"    # in ~/.bashrc
    zsh:  eval "$(scaat completion zsh)"     # in ~/.zshrc, after compinit
    fish: scaat completion fish > ~/.config/fish/completions/scaat.fish
    """  # noqa: D301  (click's mark of lines to keep)
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "scaat", COMPLETE).source())


@cli.command(runs="doctor:doctor")
def doctor() -> None:
    """Check packages and machine; print PyTorch's report on them.

    Ends with 1 if something that the command line needs is missing or broken. Imports every
    package that scaat can use, which takes some seconds.
    """
