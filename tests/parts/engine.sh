# shellcheck shell=bash
# A Docker engine for this run: its data, its socket and its containerd lie in the scratch folder and end with the run.

engine_problem=""
engine_id=""
start_engine() {
    [[ -n ${TAWNY_TEST_DOCKER:-} ]] && return 0
    if ((EUID != 0)); then
        engine_problem="not root; start a Docker engine and give its address, as unix:///var/run/docker.sock"
    elif [[ ! -x /usr/sbin/dockerd || ! -x /usr/bin/docker ]]; then
        engine_problem="${apt_problem:-the Debian package docker.io is missing}"
    fi
    if [[ -n $engine_problem ]]; then
        say "Docker: $engine_problem"
        return 0
    fi

    local folder="$scratch/docker" log="$scratch/docker/log" guard=() deadline=$((SECONDS + 60))
    mkdir -p "$folder"
    # Where this script is killed and cleans up nothing, the engine still stops.
    if command -v setpriv >/dev/null; then guard=(setpriv --pdeathsig TERM); fi
    # The machine's own network stays as it is: no docker0, no rule, no forwarding. A container has no network, the host's, or
    # one that its test makes.
    ${guard[@]+"${guard[@]}"} /usr/sbin/dockerd --data-root "$folder/data" --exec-root "$folder/exec" \
        --host "unix://$folder/docker.sock" --pidfile "$folder/pid" --bridge=none --iptables=false --ip6tables=false \
        --ip-forward=false --shutdown-timeout 5 </dev/null >"$log" 2>&1 9>&- &
    engine_id=$!
    until engine_cli version >/dev/null 2>&1; do
        if ! kill -0 "$engine_id" 2>/dev/null; then
            engine_problem="dockerd does not start"
        elif ((SECONDS >= deadline)); then
            engine_problem="dockerd does not answer"
        else
            sleep 0.2
            continue
        fi
        say "Docker: $engine_problem; its last lines:"
        tail -n 5 "$log" | sed 's/^/    /'
        stop_engine
        return 0
    done
    export TAWNY_TEST_DOCKER="unix://$folder/docker.sock"
}

engine_cli() { /usr/bin/docker --host "unix://$scratch/docker/docker.sock" "$@"; }

# Ends what start_engine started, waits for it, and unmounts what it leaves.
stop_engine() {
    [[ -n $engine_id ]] || return 0
    local folder="$scratch/docker" containers child="" mount
    # A container that a killed test left behind would keep its shim alive.
    mapfile -t containers < <(timeout 20 /usr/bin/docker --host "unix://$folder/docker.sock" ps --all --quiet 2>/dev/null)
    if ((${#containers[@]})); then
        timeout 30 /usr/bin/docker --host "unix://$folder/docker.sock" rm --force "${containers[@]}" >/dev/null 2>&1 || true
    fi
    # Killed itself, it would leave its containerd.
    read -r child 2>/dev/null <"$folder/exec/containerd/containerd.pid" || true
    kill "$engine_id" 2>/dev/null || true
    if ! timeout 30 tail --pid="$engine_id" -f /dev/null; then
        kill -9 "$engine_id" 2>/dev/null || true
        [[ -z $child ]] || kill -9 "$child" 2>/dev/null || true
    fi
    wait "$engine_id" 2>/dev/null || true
    engine_id=""
    while read -r mount; do
        umount --lazy "$mount" || true
    done < <(awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/self/mounts | sort -r)
}
