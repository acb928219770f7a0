# shellcheck shell=bash
# Debian's packages: which of them are missing, and how they are installed without their services being started.

# What the tests use, and the package that has it, in the order of installing: what an earlier package brought is not
# asked for again.
readonly DEBIAN_PARTS=(
    /usr/bin/prometheus prometheus
    /usr/bin/promtool prometheus
    /usr/bin/victoria-metrics victoria-metrics
    /usr/bin/redis-server redis-server
    /usr/bin/faketime faketime
    /usr/bin/make make
    /usr/bin/openssl openssl
    /usr/sbin/dockerd docker.io
    /usr/bin/docker docker-cli # since Debian 13 a package of its own
    /usr/bin/containerd containerd
    /usr/sbin/runc runc
    /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server
    /usr/bin/etcd etcd-server
    /usr/lib/cni/bridge containernetworking-plugins
    /usr/sbin/iptables iptables
    /usr/sbin/conntrack conntrack
    /usr/sbin/ip iproute2
)

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# written by tests/run of tawny'

# Debian starts a package's service as soon as it is installed, unless this file says no. What was there comes back.
forbid_services() {
    restore_policy
    [[ -e $POLICY ]] && mv "$POLICY" "$POLICY.before-tawny"
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
}

restore_policy() {
    if [[ -f $POLICY ]] && grep -qF "$POLICY_MARK" "$POLICY"; then rm -f "$POLICY"; fi
    if [[ -e $POLICY.before-tawny ]]; then mv "$POLICY.before-tawny" "$POLICY"; fi
}

# Prints a Python that can make virtual environments; some systems have several, and Debian's own lacks it at first.
python_with_venv() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

# Whether the program needs no library; ldd fails for such a one. One that is not there is none.
is_static() { [[ -x $1 ]] && ! ldd "$1" >/dev/null 2>&1; }

apt_problem=""
install_packages() {
    local wanted=() index
    for ((index = 0; index < ${#DEBIAN_PARTS[@]}; index += 2)); do
        [[ -x ${DEBIAN_PARTS[index]} ]] && continue
        wanted+=("${DEBIAN_PARTS[@]:index:2}")
    done
    is_static /bin/busybox || wanted+=(/bin/no-static-busybox busybox-static)
    python_with_venv >/dev/null || wanted+=(/usr/bin/no-venv python3-venv)
    ((${#wanted[@]})) || return 0
    local packages=()
    for ((index = 1; index < ${#wanted[@]}; index += 2)); do packages+=("${wanted[index]}"); done
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)

    if ! command -v apt-get >/dev/null; then
        apt_problem="there is no apt-get here to install ${packages[*]}"
    elif ((EUID != 0)); then
        apt_problem="not root; run: apt-get install --no-install-recommends ${packages[*]}"
    fi
    if [[ -n $apt_problem ]]; then
        say "Debian packages: $apt_problem"
        return 0
    fi

    say "Debian packages: installing ${packages[*]} (without starting their services)"
    local apt=(apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    forbid_services
    # One after the other: a package that this release does not have must not keep the others out.
    local package log="$scratch/apt.log"
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" update </dev/null >"$log" 2>&1 || apt_problem="apt-get update failed"
    for ((index = 0; index < ${#wanted[@]}; index += 2)); do
        [[ -x ${wanted[index]} ]] && continue
        package="${wanted[index + 1]}"
        if ! DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --no-install-recommends "$package" \
            </dev/null >>"$log" 2>&1; then
            apt_problem="apt-get could not install $package"
            say "Debian packages: $apt_problem; its last lines:"
            tail -n 5 "$log" | sed 's/^/    /'
        fi
    done
    restore_policy
}
