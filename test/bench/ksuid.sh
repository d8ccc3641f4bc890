#!/bin/sh
# Measures ksuid beside uuid on the server of the PG* environment, as a superuser, in a database of its own.
# Prints one line a measurement: throughput of ksuid divided by that of uuid, the median of rounds that alternate.
set -eu

database=murallink_bench_ksuid

sql()
{
	psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname "$database" "$@"
}

# elapsed STATEMENT: the milliseconds that it took
elapsed()
{
	sql -c 'CHECKPOINT' -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}

# compare NAME UUID_STATEMENT KSUID_STATEMENT
compare()
{
	for _ in 1 2 3 4 5 6 7 8 9; do
		echo "$(elapsed "$2") $(elapsed "$3")"
	done | awk '{ print $1 / $2 }' | sort -n |
		awk -v name="$1" '{ ratio[NR] = $1 } END { printf "%s: ratio %.2f (at least 0.9)\n", name, ratio[(NR + 1) / 2] }'
}

createdb "$database"
trap 'dropdb "$database"' EXIT
sql <<SQL
CREATE EXTENSION murallink;
CREATE TABLE uuid_row AS SELECT gen_random_uuid() AS uid FROM generate_series(1, 5000000);
CREATE TABLE ksuid_row AS SELECT murallink.gen_ksuid() AS uid FROM generate_series(1, 5000000);
VACUUM ANALYZE uuid_row, ksuid_row;
SQL

compare 'gen_ksuid() against gen_random_uuid()' \
	'SELECT count(gen_random_uuid()) FROM generate_series(1, 2000000)' \
	'SELECT count(murallink.gen_ksuid()) FROM generate_series(1, 2000000)'
compare 'CREATE INDEX on 5 million ksuids against uuids' \
	'CREATE INDEX bench ON uuid_row (uid); DROP INDEX bench' \
	'CREATE INDEX bench ON ksuid_row (uid); DROP INDEX bench'
