#!/usr/bin/env bash
# What row level security costs an analyst who reads all of two million payments: an administrator, and somebody with a grant
# on every client, against the owner of the tables; without parallel plans and with them. For the server of the PG* environment,
# as a superuser, in a database of its own, which is best held in memory.
set -euo pipefail
cd "$(dirname "$0")"

rounds=${BENCH_ROUNDS:-5}
patients=${BENCH_PATIENTS:-200000}
database=murallink_bench_analyst
times=$(mktemp)
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	rm -f "$times"
	dropdb --if-exists $database
}
trap clean_up EXIT

psql -Xqc "DO \$\$BEGIN IF to_regrole('bench_admin') IS NULL THEN CREATE ROLE bench_admin LOGIN; END IF;
	IF to_regrole('bench_clients') IS NULL THEN CREATE ROLE bench_clients LOGIN; END IF; END\$\$" \
	-c 'GRANT murallink_analyst TO bench_admin, bench_clients'
createdb $database
psql -Xq -v ON_ERROR_STOP=1 -v "patients=$patients" -v "sites=$((patients / 100))" -d $database \
	-c 'CREATE EXTENSION murallink' -c 'SELECT murallink.install()' -f scale.sql -c 'CREATE EXTENSION pg_prewarm' \
	-c "INSERT INTO murallink.app_user (email, user_role) VALUES ('admin@example.com', 'admin')" \
	-c "SELECT murallink.set_db_role('clients@example.com', 'bench_clients'), murallink.set_db_role('admin@example.com', 'bench_admin')" \
	-c "SELECT pg_prewarm(oid) FROM pg_class WHERE relnamespace::regnamespace::text ~ '^murallink' AND relkind IN ('r', 'i')" >/dev/null

queries=(
	'SELECT sum(amount) FROM murallink.payment'
	"SELECT trial_uid, date_trunc('month', created_at), sum(amount) FROM murallink.payment GROUP BY 1, 2"
	'SELECT t.name, s.name, sum(p.amount) FROM murallink.payment p JOIN murallink.trial t ON t.uid = p.trial_uid
		JOIN murallink.site s ON s.uid = p.site_uid GROUP BY 1, 2'
)
names=('sum(amount)' 'by trial and month' 'joined to trial and site')

# took ROLE WORKERS QUERY: the milliseconds of the quickest of three runs after the first, because noise only adds
took() {
	local login=$1 role=''
	if [ "$1" = owner ]; then
		login=${PGUSER:-postgres} role='SET ROLE murallink_owner;'
	fi
	psql -XqAt -d $database -U "$login" <<-END | awk '/^Time/ && (time == "" || $2 < time) { time = $2 } END { print time }'
		$role
		SET jit = off;
		SET max_parallel_workers_per_gather = $2;
		\o /dev/null
		$3;
		\timing on
		$3;
		$3;
		$3;
	END
}

for workers in 0 2; do
	for i in "${!queries[@]}"; do
		for ((round = 0; round < rounds; round++)); do
			echo "$(took owner "$workers" "${queries[i]}") $(took bench_admin "$workers" "${queries[i]}")" \
				"$(took bench_clients "$workers" "${queries[i]}")"
		done | tee >(cat >&2) >"$times"
		for column in 2 3; do
			awk -v c=$column '{ print $1 / $c }' "$times" | sort -n | awk -v workers="$workers" -v c=$column -v name="${names[i]}" \
				'{ v[NR] = $1 } END { printf "%s, %s, %d workers, against the owner: ratio %.2f (at least %s)\n", name,
					c == 2 ? "an admin" : "a grant on every client", workers, v[int((NR + 1) / 2)], c == 2 && workers == 0 ? "0.9" : "0.8" }'
		done
	done
done
