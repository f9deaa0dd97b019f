#!/usr/bin/env bash
# Build an environment with two real servers that have OpenAI's speech interface, which run without a hub.
#
#   scripts/speech_servers.sh ENVIRONMENT PYTHON
#
# PYTHON is the project's own interpreter: the environment sees its packages, and adds those that the servers need.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$1
python=$2

"$python" -m venv "$environment"
own=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$own/project.pth"
"$environment/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps -r requirements/speech-servers.txt
