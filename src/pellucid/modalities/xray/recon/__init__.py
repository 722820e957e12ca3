"""Methods from a sinogram to an image, one per module."""

from pellucid.modalities.xray.recon import fbp, fdk, iterative
from pellucid.modality import Method

METHODS = (
    Method(
        name="fbp",
        title="Filtered back-projection",
        function=fbp.fbp,
        source="Kak and Slaney 1988, doi:10.1137/1.9780898719277; Parker 1982, doi:10.1118/1.595078",
        refuses=fbp.refuses,
    ),
    Method(
        name="fdk",
        title="Feldkamp's cone-beam method",
        function=fdk.fdk,
        source="Feldkamp, Davis and Kress 1984, doi:10.1364/JOSAA.1.000612",
        refuses=fdk.refuses,
    ),
    Method(
        name="sirt",
        title="SIRT",
        function=iterative.sirt,
        source="Gregor and Benson 2008, doi:10.1109/TMI.2008.923696",
        refuses=iterative.refuses,
    ),
    Method(
        name="cgls",
        title="Conjugate gradients (CGLS)",
        function=iterative.cgls,
        source="Björck 1996, doi:10.1137/1.9781611971484",
        refuses=iterative.refuses,
    ),
    Method(
        name="tv",
        title="Total variation",
        function=iterative.tv,
        source="Sidky and Pan 2008, doi:10.1088/0031-9155/53/17/021; Chambolle and Pock 2011, "
        "doi:10.1007/s10851-010-0251-1",
        refuses=iterative.refuses,
    ),
)
