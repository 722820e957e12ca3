"""SigPy."""

import sigpy
import sigpy.mri

PACKAGE = "sigpy"


def cg_sense(inputs):
    kspace, maps, mask = inputs["kspace"], inputs["maps"], inputs["mask"]

    def run():
        app = sigpy.mri.app.SenseRecon(
            kspace * mask,
            maps,
            lamda=float(inputs["regularisation"]),
            max_iter=int(inputs["iterations"]),
            show_pbar=False,
        )
        return app.run()

    return run


def espirit(inputs):
    kspace = inputs["kspace"]

    def run():
        app = sigpy.mri.app.EspiritCalib(
            kspace, calib_width=int(inputs["calibration"]), kernel_width=int(inputs["kernel"]), show_pbar=False
        )
        return app.run()

    return run


def nufft_forward(inputs):
    image, coordinates = inputs["image"], inputs["coordinates"]
    return lambda: sigpy.nufft(image, coordinates, oversamp=2.0, width=6)


def nufft_adjoint(inputs):
    samples, coordinates = inputs["samples"], inputs["coordinates"]
    shape = tuple(int(n) for n in inputs["shape"])
    return lambda: sigpy.nufft_adjoint(samples, coordinates, oshape=shape, oversamp=2.0, width=6)
