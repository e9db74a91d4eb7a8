#!/bin/sh
# The tutorial's system and the classical baselines, under all protocols they are compared by:
#
#     sh benchmarks/baselines.sh [options of affekt benchmark, e.g. --data ../shared/data]
#
# Results go to benchmarks/results/; `make tables` then writes docs/results.md. Finished folds and
# measured clips are kept in runs/benchmark: after Ctrl-C the same line goes on from there. Two
# lanes of about equal length run beside each other, one thread each.
set -eu
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

measure() { # PROTOCOL RECIPE SEEDS [OPTIONS]
    protocol=$1 recipe=$2 seeds=$3
    shift 3
    ${AFFEKT:-affekt} benchmark "$protocol" --recipe "recipes/$recipe.toml" --seeds "$seeds" "$@"
}

classical() { # PROTOCOL [OPTIONS]
    protocol=$1
    shift
    measure "$protocol" svm 1 "$@" # nothing is random in these two: one seed is all there is
    measure "$protocol" logistic 1 "$@"
    measure "$protocol" boosting 3 "$@"
    measure "$protocol" mlp 3 "$@"
    measure "$protocol" tutorial 3 "$@"
}

(
    classical cremad-tfds "$@"
) &
other=$!
trap 'kill "$other" 2>/dev/null || true' INT TERM
classical ravdess-luna5 "$@"
classical ravdess-random10 "$@"
classical emodb-loso "$@"
wait "$other"
