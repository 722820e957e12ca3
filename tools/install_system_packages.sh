#!/bin/sh
# Programs that some tests (or, named as arguments, benchmarks) drive. Installed where that is possible (Debian, as
# root); elsewhere those tests are skipped by name.
packages="${*:-chromium-headless-shell dcmtk dicom3tools libgdcm-tools libopenjp2-tools orthanc orthanc-dicomweb orthanc-gdcm postgresql}"
missing=""
for package in $packages; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed, so what needs them will be skipped:$missing"
    exit 0
fi
echo "Installing programs:$missing"
export DEBIAN_FRONTEND=noninteractive
# Servers are started by the tests that need them, not by their installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
    echo "Some could not be installed; what needs them will be skipped:$missing"
exit 0
