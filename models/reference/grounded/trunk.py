"""The convolutional image encoder of the small reference model.

A Hiera transformer needs far more pictures than a laptop can show it; an encoder-decoder of convolutions learns masks
from a few hundred. It stands in the place of SAM 2's image encoder and gives the same three maps, so that everything
after it (SAM 2's mask decoder, the export, the gateway) is that of the large model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from grounded.config import Config


def block(cin: int, cout: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, stride, 1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, 1, 1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(inplace=True),
    )


class Trunk(nn.Module):
    """Encoder-decoder with skip connections.

    `image_encoder.widths`: channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side; `mask.hidden`: those of the image
    embeddings.
    """

    def __init__(self, config: Config, top: int | None = None) -> None:
        super().__init__()
        widths, hidden = config.image_encoder.widths, config.mask.hidden
        top = top or config.mask.direct
        self.widths, self.top, self.hidden = widths, top, hidden
        self.down = nn.ModuleList(block(a, b, 2) for a, b in zip((3, *widths[:-1]), widths))
        outs = (top, *widths[1:-1])
        self.up = nn.ModuleList(
            block(widths[i] + (outs[i + 1] if i + 1 < len(outs) else widths[-1]), outs[i]) for i in range(len(outs))
        )
        self.embeddings = nn.Conv2d(widths[2], hidden, 1)
        self.high_1 = nn.Conv2d(widths[1], hidden // 4, 1)
        self.high_0 = nn.Conv2d(top, hidden // 8, 1)

    def fuse(self) -> None:
        """Norms become part of the convolutions before them, as they do in a graph: so what is rounded is what runs."""
        for part in (*self.down, *self.up):
            for i in range(0, len(part), 3):
                if isinstance(part[i + 1], nn.BatchNorm2d):
                    part[i], part[i + 1] = fuse_conv_bn_eval(part[i], part[i + 1]), nn.Identity()

    def encode(self, pixel_values: Tensor) -> list[Tensor]:
        """`pixel_values` [n, 3, side, side] -> maps at 1/2 .. 1/32 of the side."""
        maps: list[Tensor] = []
        x = pixel_values
        for down in self.down:
            x = down(x)
            maps.append(x)
        return maps

    def pyramid(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of the decoder at 1/2, 1/4, 1/8 and 1/16 of the side."""
        x = maps[-1]
        out: list[Tensor] = []
        for i in reversed(range(len(self.up))):
            x = F.interpolate(x, scale_factor=2.0, mode='nearest')
            x = self.up[i](torch.cat([maps[i], x], 1))
            out.insert(0, x)
        return out

    def decode(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """-> `image_embeddings` [n, hidden, s/8, s/8], `high_res_feats_0` [n, hidden/8 + top, s/2, s/2],
        `high_res_feats_1` [n, hidden/4, s/4, s/4]."""
        return self.heads(self.pyramid(maps))

    def heads(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The finest map goes along as it is, behind SAM's part of it: the direct way reads it."""
        fine = torch.cat([self.high_0(levels[0]), levels[0]], 1)
        return self.embeddings(levels[2]), fine, self.high_1(levels[1])
