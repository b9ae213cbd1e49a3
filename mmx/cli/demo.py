"""`mmx demo`: a page in the browser."""

from importlib.util import find_spec
from typing import Annotated

import typer
from rich.text import Text

from mmx.cli.options import MACHINE, MODEL, Debug, Device, Processor, model_option
from mmx.devices import DEFAULT_DEVICE


def demo(
    model: Annotated[list[str] | None, model_option(
        "A checkpoint to offer besides the shipped ones: a from_pretrained folder or a hub id; may be repeated, the "
        "first is chosen to begin with.")] = None,
    processor: Processor = None,
    host: Annotated[str, typer.Option(
        "--host", metavar="NAME", rich_help_panel=MACHINE,
        help="Where to listen; 0.0.0.0 opens the page to the network.")]
    = "127.0.0.1",
    port: Annotated[int, typer.Option(
        "--port", metavar="N", rich_help_panel=MACHINE, min=0, max=65535, help="0 takes any that is free.")] = 7860,
    device: Device = DEFAULT_DEVICE,
    allow_hub: Annotated[bool, typer.Option(
        "--allow-hub", rich_help_panel=MODEL, help="Let visitors type hub ids, which are then fetched.")] = False,
    debug: Debug = False,
) -> None:
    """Open a page on which anyone can ask, and see why: pictures, questions, texts, classes and objects.

    Works offline, and asks nothing of any other host. Pictures stay in memory. Ctrl-C ends it.
    """
    import os

    from mmx.checkpoints.catalog import defaults, shipped_names
    from mmx.cli.output import print_note, print_result
    from mmx.errors import MmxError, UsageError

    if find_spec("gradio") is None:
        raise MmxError("The page needs Gradio, which is not installed.", "pip install 'mmx[demo]', or pip install "
                       "gradio.")
    own = list(dict.fromkeys(model or []))
    if processor is not None and not own:
        raise UsageError("--processor shows pictures to the checkpoints of --model.", "Give --model as well.")
    if not own and not allow_hub:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")

    from mmx.cli.beforehand import check_choices, check_model

    check_choices([], device)
    for name in own:
        check_model(name, None, processor=processor)
    from mmx.demo.serve import bound_socket, serve  # torch comes with it
    from mmx.demo.shelf import Shelf

    names = [*own, *(name for name in shipped_names() if name not in own)]
    bound = bound_socket(host, port)
    print_note("loading the page ...")
    shelf = Shelf(names, device, allow_hub=allow_hub,
                  processors={} if processor is None else dict.fromkeys(own, processor))
    try:
        serve(shelf, (own or [defaults()[0].name])[0], host, bound,
              lambda address: print_result(Text(f"mmx demo is at {address} (Ctrl-C ends it)")))
    except KeyboardInterrupt as error:
        raise typer.Exit(130) from error
