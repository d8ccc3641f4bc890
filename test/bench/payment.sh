#!/usr/bin/env bash
# milestone_payment against a function that writes the same rows with no check, on many contracts and on one, and api() against
# the typed function. For the server of the PG* environment, with an empty database that has murallink installed.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${BENCH_SECONDS:-8}
rounds=${BENCH_ROUNDS:-3}
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT

psql -Xqc "DO \$\$BEGIN IF to_regrole('bench') IS NULL THEN CREATE ROLE bench LOGIN; END IF; END\$\$" \
	-c 'GRANT murallink_client TO bench'
psql -Xq -v ON_ERROR_STOP=1 -f payment.sql >/dev/null

# Each client pays its own patients, week by week: $1 is where its numbers begin.
pick() {
	cat <<-END
		\set n :n + 1
		\set p (:client_id * 2500 + :n % 2500)
		\set w $1 + :n / 2500
	END
}
typed="patient_uid => bench.uid('pat', :p), milestone_uid => bench.uid('mil', :g * 100 + :w), note => 'bench'"
many='\set g :p % 64'
one='\set g 64'
{ pick 0; echo "$many"; echo "SELECT murallink.milestone_payment($typed);"; } >"$scripts/many"
{ pick 0; echo "$one"; echo "SELECT murallink.milestone_payment($typed);"; } >"$scripts/one"
{ pick 0; echo "$many"; echo "SELECT bench.unchecked(:g, bench.uid('pat', :p), bench.uid('enr', :p), :w);"; } >"$scripts/unchecked"
{
	pick 0
	echo "$many"
	echo "SELECT bench.unchecked_sql(bench.uid('cli', 0), bench.uid('con', :g), bench.uid('tri', :g), bench.uid('sit', :g)," \
		"bench.uid('tsi', :g), bench.uid('pat', :p), bench.uid('enr', :p), bench.uid('mil', :g * 100 + :w), 'Week ' || :w," \
		"murallink.gen_ksuid());"
} >"$scripts/unchecked_sql"
{
	pick 0
	echo "$many"
	echo "SELECT murallink.api(jsonb_build_object('action', 'milestone_payment', 'payload', jsonb_build_object(" \
		"'patient_uid', bench.uid('pat', :p)::text, 'milestone_uid', bench.uid('mil', :g * 100 + :w)::text, 'note', 'bench')));"
} >"$scripts/api"

# Runs a script and prints its transactions per second.
run() {
	psql -Xqc "SET session_replication_role = replica; DELETE FROM murallink_private.payment; DELETE FROM murallink.fund_entry WHERE movement <> 'deposit';
		DELETE FROM murallink_private.audit_event; UPDATE murallink.fund_slot SET available = available + reserved, reserved = 0;
		TRUNCATE bench.payment, bench.fund_entry, bench.audit_event; UPDATE bench.fund_slot SET available = available + reserved, reserved = 0" \
		-c 'VACUUM murallink_private.payment, murallink.fund_entry, murallink.audit_event, murallink.fund_slot, bench.fund_slot' \
		-c CHECKPOINT
	pgbench -n -M prepared -c 8 -j 2 -T "$seconds" -D n=-1 -U bench -f "$scripts/$1" | awk '/^tps/ { print $3 }'
}

for ((round = 0; round < rounds; round++)); do
	for script in unchecked unchecked_sql many one api; do
		tps=$(run "$script")
		printf '%s ' "$tps"
	done
	echo
done | tee "$scripts/tps" >&2
sort_median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", v[int((NR + 1) / 2)] }'; }
line() { echo "$1: ratio $(awk "{ print $2 }" "$scripts/tps" | sort_median) (at least 0.8)"; }
line "milestone_payment, many contracts, against an SQL function that writes the same rows unchecked" '$3 / $2'
line "milestone_payment, many contracts, against the same in PL/pgSQL, with its plans saved" '$3 / $1'
line "milestone_payment, one contract, against many" '$4 / $3'
line "api() for milestone_payment against the typed function" '$5 / $3'
