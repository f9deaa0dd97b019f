#!/usr/bin/env bash
# Installs Debian's Chromium and its driver where they are missing, for `make test-browser`.
set -euo pipefail

missing=()
for program in chromium chromedriver; do
  command -v "$program" > /dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get > /dev/null; then
  echo "test-browser: ${missing[*]} missing, and there is no apt-get: install Chromium and its driver, and put both on PATH" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2> /dev/null; then
    echo "test-browser: ${missing[*]} missing: run \`sudo apt-get install chromium chromium-driver\`, then this again" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends chromium chromium-driver)
if ! "${install[@]}" && ! { "${as_root[@]}" apt-get update --quiet && "${install[@]}"; }; then
  echo "test-browser: apt-get could not install chromium and chromium-driver; its messages above say why" >&2
  exit 1
fi
