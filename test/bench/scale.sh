#!/usr/bin/env bash
# What a call costs with a million patients and ten million payments, against ten thousand and a hundred thousand. For the server
# of the PG* environment, as a superuser, in two databases of its own; the large one takes 10 GB and is best held in memory.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${BENCH_SECONDS:-4}
rounds=3 # each pays ten weeks of the thirty that are left
patients=${BENCH_PATIENTS:-1000000}
declare -A size=([small]=10000 [large]=$patients)
scripts=$(mktemp -d)
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	rm -rf "$scripts"
	dropdb --if-exists murallink_bench_small
	dropdb --if-exists murallink_bench_large
}
trap clean_up EXIT

psql -Xqc "DO \$\$BEGIN IF to_regrole('bench_site') IS NULL THEN CREATE ROLE bench_site LOGIN; CREATE ROLE bench_clients LOGIN; END IF; END\$\$" \
	-c 'GRANT murallink_client, murallink_analyst TO bench_site, bench_clients'
for world in small large; do
	database=murallink_bench_$world
	createdb "$database"
	psql -Xq -v ON_ERROR_STOP=1 -v "patients=${size[$world]}" -v "sites=$((size[$world] / 100))" -d "$database" \
		-c 'CREATE EXTENSION murallink' -c 'SELECT murallink.install()' -f scale.sql -c 'GRANT USAGE ON SCHEMA bench TO PUBLIC' \
		-c "SELECT murallink.set_db_role('user0@example.com', 'bench_site'), murallink.set_db_role('clients@example.com', 'bench_clients')" \
		>/dev/null
done
for world in large small; do
	psql -Xq -v ON_ERROR_STOP=1 -d "murallink_bench_$world" -c 'CREATE EXTENSION pg_prewarm' -c "SELECT pg_prewarm(oid) FROM pg_class
		WHERE relnamespace::regnamespace::text ~ '^murallink' AND relkind IN ('r', 'i') ORDER BY relname !~ '^fund_entry'" >/dev/null
done

# script NAME [ROLE]: what the role, by default one with grants on every client, does; from standard input, after the choice of
# a patient p at site s. A name with a colon has no goal.
script() {
	{
		cat <<-'END'
			\set p random(0, :patients - 1)
			\set s :p % (:patients / 100)
		END
		cat
	} >"$scripts/${#names[@]}"
	names+=("$1")
	roles+=("${2:-bench_clients}")
}
names=()
roles=()

script get_patient <<-'END'
	SELECT murallink.get_patient(bench.uid('pat', :p));
END
script get_patient_payments <<-'END'
	SELECT murallink.get_patient_payments(bench.uid('pat', :p), bench.uid('tri', :s / 10));
END
script milestone_payment <<-'END'
	\set n :n + 1
	\set p :client_id * (:patients / 8) + :n * 7919 % (:patients / 8)
	\set s :p % (:patients / 100)
	\set w :week + :n / (:patients / 8)
	SELECT murallink.milestone_payment(bench.uid('pat', :p), bench.uid('mil', :s * 100 + :w));
END
script 'permitted(), at a site' <<-'END'
	SELECT murallink_private.permitted('view_patients', bench.uid('cli', :s / 100), bench.uid('con', :s / 10), NULL, bench.uid('sit', :s));
END
script 'get_patient, refused' bench_site <<-'END'
	SELECT murallink.api(jsonb_build_object('action', 'get_patient', 'payload', jsonb_build_object('patient_uid', bench.uid('pat', :p))));
END
script 'search_patients, of all: more names are alike' <<-'END'
	SELECT murallink.search_patients(bench.last_name(:p));
END
script 'search_patients, of a site: more names are alike' bench_site <<-'END'
	SELECT murallink.search_patients(bench.last_name(:p / 100 * (:patients / 100) % :patients));
END
script 'get_patients of a site' bench_site <<-'END'
	SELECT murallink.get_patients();
END
script 'SELECT count(*) FROM patient at a site' bench_site <<-'END'
	SELECT count(*) FROM murallink.patient;
END
script 'SELECT sum(amount) FROM payment at a site' bench_site <<-'END'
	SELECT sum(amount) FROM murallink.payment;
END

# tps WORLD SCRIPT ROUND: transactions per second
tps() {
	pgbench -n -M prepared -c 8 -j 2 -T "$seconds" -D "patients=${size[$1]}" -D n=-1 -D "week=$((10 + 10 * $3))" -U "${roles[$2]}" \
		-f "$scripts/$2" "murallink_bench_$1" | awk '/^tps/ { print $3 }'
}

for i in "${!names[@]}"; do
	for ((round = 0; round < rounds; round++)); do
		small=$(tps small "$i" "$round")
		large=$(tps large "$i" "$round")
		echo "$small $large"
	done | tee >(cat >&2) | awk '{ print $1 / $2 }' | sort -n | awk -v name="${names[i]}" -v patients="$patients" \
		'{ v[NR] = $1 } END { printf "%s, with %d patients against 10000: ratio %.2f%s\n", name, patients, v[int((NR + 1) / 2)],
			name ~ /:/ ? "" : " (at most 1.5)" }'
done

# The books of both worlds, also after what was paid.
for world in small large; do
	psql -XqAt -d "murallink_bench_$world" -c 'SELECT * FROM murallink.verify_ledger()' | { ! grep .; }
done
