"""A family's table applied to tensors: the model run, which tokens count, which rows explain, what is handed out."""

from mmx.wiring.grids import Inputs, block_of, can_resize, cells_shown, config_at, grid_of, pair, patch_grid
from mmx.wiring.hideable import hideable
from mmx.wiring.hiding import blank, faded, only_kept, without_content
from mmx.wiring.parts import Rows, handed_out, token_places, valid_tokens
from mmx.wiring.running import readouts, run, run_without, schedule_from

__all__ = ["Inputs", "Rows", "blank", "block_of", "can_resize", "cells_shown", "config_at", "faded", "grid_of",
           "handed_out", "hideable", "only_kept", "pair", "patch_grid", "readouts", "run", "run_without",
           "schedule_from", "token_places", "valid_tokens", "without_content"]
