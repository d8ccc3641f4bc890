#!/usr/bin/env bash
# milestone_payment on many contracts, api(), and the payouts of one worker, against an earlier state of murallink, in turn on a
# server each: that of the PostgreSQL in before/pg of the checkout's copy, which make bench builds where the history has the
# commit.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${BENCH_SECONDS:-5}
rounds=${BENCH_ROUNDS:-7}
waiting=${BENCH_WAITING:-100000}
if [ ! -d before/pg ]; then
	echo 'no comparison with an earlier state: it has not been built'
	exit
fi
dir=$(mktemp -d)
versions=(before now)
declare -A checkout=([before]=before [now]=.)
declare -A bin=([before]=$(echo "$PWD"/before/pg/lib/postgresql/*/bin) [now]=$("$PG_CONFIG" --bindir))
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	for version in "${versions[@]}"; do
		[ ! -e "$dir/$version/postmaster.pid" ] || "${bin[$version]}/pg_ctl" -D "$dir/$version" -s -m immediate stop || :
	done
	rm -rf "$dir"
}
trap clean_up EXIT

# Runs a program on the server of a version.
on() {
	local version=$1 program=$2
	shift 2
	env -u PGUSER PGHOST="$dir" PGPORT="$(port "$version")" PGDATABASE=bench "${bin[$version]}/$program" "$@"
}
port() { if [ "$1" = before ]; then echo 1; else echo 2; fi; }

for version in "${versions[@]}"; do
	"${bin[$version]}/initdb" -D "$dir/$version" -U postgres -A trust -E UTF8 --locale=C --no-instructions >/dev/null
	cat >>"$dir/$version/postgresql.conf" <<-END
		shared_preload_libraries = 'murallink'
		murallink.databases = ''
		listen_addresses = ''
		unix_socket_directories = '$dir'
		port = $(port "$version")
		shared_buffers = 512MB
		max_wal_size = 8GB
		checkpoint_timeout = 1h
		autovacuum = off
	END
	"${bin[$version]}/pg_ctl" -D "$dir/$version" -l "$dir/$version.log" -s -w start || { cat "$dir/$version.log" >&2 && exit 1; }
	on "$version" createdb -U postgres bench
	on "$version" psql -U postgres -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION murallink' -c 'SELECT murallink.install()' \
		-c 'CREATE ROLE bench LOGIN' -c 'GRANT murallink_client TO bench' \
		-f "${checkout[$version]}/test/bench/payment.sql" >/dev/null
done

# Each client pays its own patients, week by week.
pick() {
	cat <<-'END'
		\set n :n + 1
		\set p (:client_id * 2500 + :n % 2500)
		\set w :n / 2500
		\set g :p % 64
	END
}
{
	pick
	echo "SELECT murallink.milestone_payment(patient_uid => bench.uid('pat', :p), milestone_uid => bench.uid('mil', :g * 100 + :w)," \
		"note => 'bench');"
} >"$dir/milestone_payment"
{
	pick
	echo "SELECT murallink.api(jsonb_build_object('action', 'milestone_payment', 'payload', jsonb_build_object(" \
		"'patient_uid', bench.uid('pat', :p)::text, 'milestone_uid', bench.uid('mil', :g * 100 + :w)::text, 'note', 'bench')));"
} >"$dir/api"

# tps VERSION SCRIPT: transactions per second, after all that was paid before is forgotten.
tps() {
	local payments audit
	payments=$(on "$1" psql -U postgres -XqAtc "SELECT coalesce(to_regclass('murallink_private.payment'), 'murallink.payment')")
	audit=$(on "$1" psql -U postgres -XqAtc "SELECT coalesce(to_regclass('murallink_private.audit_event'), 'murallink.audit_event')")
	on "$1" psql -U postgres -Xqc "SET session_replication_role = replica; DELETE FROM $payments;
		DELETE FROM murallink.fund_entry WHERE movement <> 'deposit'; DELETE FROM $audit;
		UPDATE murallink.fund_slot SET available = available + reserved, reserved = 0" \
		-c "VACUUM $payments, murallink.fund_entry, $audit, murallink.fund_slot" -c CHECKPOINT
	on "$1" pgbench -U bench -n -M prepared -c 8 -j 2 -T "$seconds" -D n=-1 -f "$dir/$2" | awk '/^tps/ { print $3 }'
}

declare -A what=([milestone_payment]='milestone_payment, many contracts' [api]='api() for milestone_payment')
for script in milestone_payment api; do
	for ((round = 0; round < rounds; round++)); do
		before=$(tps before $script)
		now=$(tps now $script)
		echo "$before $now"
	done | tee >(cat >&2) | awk '{ print $2 / $1 }' | sort -n | awk -v what="${what[$script]}" \
		'{ v[NR] = $1 } END { printf "%s, against commit 1d9ddf8: ratio %.2f (at least 1.1)\n", what, v[int((NR + 1) / 2)] }'
done

# The worker of each version pays a part of what waits, in turn.
for version in "${versions[@]}"; do
	"${bin[$version]}/pg_ctl" -D "$dir/$version" -s -m immediate stop
	mkfifo "$dir/$version.in" "$dir/$version.out"
	env -u PGUSER -u PGHOST -u PGPORT -u PGDATABASE PATH="${bin[$version]}:$PATH" PG_CONFIG="${bin[$version]}/pg_config" \
		test/bench/before_payouts "${checkout[$version]}" "$waiting" <"$dir/$version.in" >"$dir/$version.out" &
done
exec {before_in}>"$dir/before.in" {before_out}<"$dir/before.out" {now_in}>"$dir/now.in" {now_out}<"$dir/now.out"
read -r -u "$before_out" && read -r -u "$now_out"
for ((round = 0; round < rounds; round++)); do
	echo "$((waiting / (rounds + 1)))" >&"$before_in"
	read -r -u "$before_out" before
	echo "$((waiting / (rounds + 1)))" >&"$now_in"
	read -r -u "$now_out" now
	echo "$before $now"
done | tee >(cat >&2) >"$dir/paid"
exec {before_in}>&- {now_in}>&-
wait
awk '{ print $3 / $1 }' "$dir/paid" | sort -n | awk \
	'{ v[NR] = $1 } END { printf "payouts a second of one worker, against commit 1d9ddf8: ratio %.2f (at least 1.4)\n",
		v[int((NR + 1) / 2)] }'
awk '{ print $2 / $4 }' "$dir/paid" | sort -n | awk \
	'{ v[NR] = $1 } END { printf "CPU of the worker for a payout, of commit 1d9ddf8 against now: ratio %.2f\n",
		v[int((NR + 1) / 2)] }'
