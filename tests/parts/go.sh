# shellcheck shell=bash
# What is built from its Go module: Prometheus 3 and the programs of a Kubernetes node.

readonly PROMETHEUS_MODULE=v0.309.1 # the Go module's number for Prometheus 3.9.1
readonly KUBERNETES_VERSION=1.34.4
readonly KUBERNETES_PROGRAMS=(kube-apiserver kubelet kube-controller-manager kube-scheduler kube-proxy kubectl)
# What the module k8s.io/kubernetes takes from folders of its own, and which is published apart, as 0.34.4.
readonly KUBERNETES_STAGING=(
    api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap
    code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming
    csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator
    kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission
    sample-apiserver sample-cli-plugin sample-controller
)

# Prints the first Go that can build these; Debian 12's own (1.19) cannot.
recent_go() {
    local go version
    for go in go /usr/local/go/bin/go /usr/lib/go/bin/go; do
        version="$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null)" || continue
        [[ $version =~ ^go1\.([0-9]+) ]] || continue
        if ((BASH_REMATCH[1] >= 25)); then
            command -v "$go"
            return 0
        fi
    done
    return 1
}

# build_module NAME FOLDER LDFLAGS PACKAGE…: builds the commands at these import paths into FOLDER, as the go.mod in
# $scratch/NAME says.
#
# Some modules refuse "go install", because they replace some of their own dependencies: one of ours that requires them will
# do. Built beside its place and renamed, so that an aborted build leaves nothing that looks finished.
build_module() {
    local name="$1" folder="$2" ldflags="$3" module="$scratch/$1" built
    shift 3
    built="$(mktemp -d "$cache/building.XXXXXX")"
    {
        printf '//go:build tools\n\npackage tools\n\nimport (\n'
        printf '\t_ "%s"\n' "$@"
        printf ')\n'
    } >"$module/tools.go"
    if (
        cd "$module"
        export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false GOWORK=off CGO_ENABLED=0
        "$go" mod tidy -e
        "$go" build -trimpath -ldflags "$ldflags -s -w" -o "$built/" "$@"
    ) </dev/null >"$scratch/$name.log" 2>&1; then
        chmod 755 "$built"
        rm -rf "$folder"
        mv "$built" "$folder"
    else
        rm -rf "$built"
        tail -n 5 "$scratch/$name.log" | sed 's/^/    /'
        return 1
    fi
}

prometheus3_problem=""
readonly PROMETHEUS3="$cache/prometheus-$PROMETHEUS_MODULE"
build_prometheus3() {
    [[ -x $PROMETHEUS3/prometheus && -x $PROMETHEUS3/promtool ]] && return 0
    local go
    if ! go="$(recent_go)"; then
        prometheus3_problem="no Go 1.25 or newer to build Prometheus 3 with"
        say "Prometheus 3: $prometheus3_problem"
        return 0
    fi
    say "Prometheus 3: building module $PROMETHEUS_MODULE in $PROMETHEUS3 (some minutes, once)"
    local path=github.com/prometheus/prometheus
    mkdir -p "$scratch/prometheus3"
    printf 'module tawny.test/prometheus3\n\ngo 1.25\n\nrequire %s %s\n' "$path" "$PROMETHEUS_MODULE" \
        >"$scratch/prometheus3/go.mod"
    if ! build_module prometheus3 "$PROMETHEUS3" "" "$path/cmd/prometheus" "$path/cmd/promtool"; then
        prometheus3_problem="building Prometheus 3 failed"
        say "Prometheus 3: $prometheus3_problem; its last lines are above"
    fi
}

kubernetes_problem=""
readonly KUBERNETES="$cache/kubernetes-v$KUBERNETES_VERSION"
build_kubernetes() {
    local program complete=yes
    for program in "${KUBERNETES_PROGRAMS[@]}"; do [[ -x $KUBERNETES/$program ]] || complete=""; done
    [[ -n $complete ]] && return 0
    local go
    if ! go="$(recent_go)"; then
        kubernetes_problem="no Go 1.25 or newer to build Kubernetes with"
        say "Kubernetes: $kubernetes_problem"
        return 0
    fi
    say "Kubernetes: building module v$KUBERNETES_VERSION in $KUBERNETES (four minutes and more, once)"
    mkdir -p "$scratch/kubernetes"
    {
        printf 'module tawny.test/kubernetes\n\ngo 1.25\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$KUBERNETES_VERSION"
        for program in "${KUBERNETES_STAGING[@]}"; do
            printf '\tk8s.io/%s => k8s.io/%s v0.%s\n' "$program" "$program" "${KUBERNETES_VERSION#1.}"
        done
        printf ')\n'
    } >"$scratch/kubernetes/go.mod"
    # Without its version the programs call themselves v0.0.0, and clients complain.
    if ! build_module kubernetes "$KUBERNETES" "-X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION" \
        "${KUBERNETES_PROGRAMS[@]/#/k8s.io/kubernetes/cmd/}"; then
        kubernetes_problem="building Kubernetes failed"
        say "Kubernetes: $kubernetes_problem; its last lines are above"
    fi
}
