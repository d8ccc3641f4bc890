#!/usr/bin/env bash
# The feed of events, read by cursor, against a SELECT of the same rows by key, while 8 clients make payments. For the server of
# the PG* environment, with an empty database that has murallink installed.
set -euo pipefail
cd "$(dirname "$0")"

rounds=${BENCH_ROUNDS:-5}
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"; [ -z "${writers-}" ] || kill "$writers" 2>/dev/null || true' EXIT

psql -Xqc "DO \$\$BEGIN IF to_regrole('bench') IS NULL THEN CREATE ROLE bench LOGIN; END IF; END\$\$" \
	-c 'GRANT murallink_client TO bench'
psql -Xq -v ON_ERROR_STOP=1 -f payment.sql >/dev/null
cat >"$scripts/pay" <<-'END'
	\set n :n + 1
	\set p (:client_id * 2500 + :n % 2500)
	\set w :n / 2500
	\set g :p % 64
	SELECT murallink.milestone_payment(patient_uid => bench.uid('pat', :p), milestone_uid => bench.uid('mil', :g * 100 + :w), note => 'bench');
END
# 40,000 events to read, in pages of 1000. Both ways build the same rows; that by key is the owner's.
pgbench -n -M prepared -c 8 -j 2 -t 5000 -D n=-1 -U bench -f "$scripts/pay" >/dev/null
psql -Xq -v ON_ERROR_STOP=1 <<-'SQL'
	CREATE TABLE bench.page AS
	SELECT n / 1000 AS page, array_agg(uid ORDER BY n) AS uids
	FROM (SELECT uid, row_number() OVER (ORDER BY "position", step) - 1 AS n FROM murallink_private.event WHERE event = 'payment.pending') e
	WHERE n < 40000 GROUP BY 1;
	CREATE PROCEDURE bench.by_cursor() LANGUAGE plpgsql AS $$
	DECLARE
	    place text := '';
	    count bigint := 0;
	    part record;
	BEGIN
	    FOR i IN 1 .. 40 LOOP
	        SELECT p.next, (SELECT count(*) FROM unnest(p.events) e WHERE e.uid IS NOT NULL) AS found INTO part FROM murallink.events(place) p;
	        place := part.next;
	        count := count + part.found;
	        COMMIT;
	    END LOOP;
	    IF count <> 40000 THEN
	        RAISE 'read %', count;
	    END IF;
	END
	$$;
	CREATE PROCEDURE bench.by_key() LANGUAGE plpgsql AS $$
	DECLARE
	    count bigint := 0;
	    uids murallink.ksuid[];
	    found bigint;
	BEGIN
	    FOR i IN 0 .. 39 LOOP
	        SELECT p.uids INTO uids FROM bench.page p WHERE p.page = i;
	        SELECT count(*) INTO found FROM (
	            SELECT array_agg(ROW(v.uid, v.sequence, v.event, v.at, v.resource, v.resource_uid, v.client_uid, v.contract_uid, v.trial_uid, v.site_uid,
	                v.payment_uid, v.status, v.reason, v.amount, v.currency, v.returned)::murallink.event_info) AS events
	            FROM murallink_private.event v WHERE v.uid = ANY (uids)) p, unnest(p.events) e WHERE e.uid IS NOT NULL;
	        count := count + found;
	        COMMIT;
	    END LOOP;
	    IF count <> 40000 THEN
	        RAISE 'read %', count;
	    END IF;
	END
	$$;
	GRANT USAGE ON SCHEMA bench TO bench;
	VACUUM ANALYZE murallink.audit_event;
SQL

# took ROLE PROCEDURE: milliseconds
took() {
	psql -XqAt -U "$1" -c '\timing on' -c "CALL bench.$2()" | awk '/^Time/ { print $2 }'
}
pgbench -n -M prepared -c 8 -j 2 -T 600 -D n=5000 -U bench -f "$scripts/pay" >/dev/null 2>&1 &
writers=$!
for ((round = 0; round < rounds; round++)); do
	echo "$(took bench by_cursor) $(took "${PGUSER:-postgres}" by_key)"
done | tee "$scripts/times" >&2
awk '{ c += $1; k += $2 } END {
	printf "events by cursor a second: %d; by key: %d\n", NR * 4e7 / c, NR * 4e7 / k
	printf "feed, read by cursor beside 8 writers, against the same rows by key: ratio %.2f (at least 0.7)\n", k / c }' "$scripts/times"
