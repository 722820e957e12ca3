#!/bin/sh
# The OpenID provider that the tests log in at: exact versions, no scripts run. Without Node those tests are skipped.
folder="$(dirname "$0")/../tests/access/identity_provider"
command -v npm >/dev/null || { echo "Not installed, so what needs it will be skipped: oidc-provider (no Node)"; exit 0; }
cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed" && exit 0
(cd "$folder" && npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed) ||
    echo "Could not be installed; what needs it will be skipped: oidc-provider"
exit 0
