# What is read for somebody who sees little of much: their own rows, found by index, in tables, views and
# functions; and that what they see is what the grants say, whichever plan finds it.

use strict;
use warnings;

use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { PATIENTS => 20_000, SITES => 1_000 };

my $node = Murallink::Node->new('scale');
$node->init;
# Without parallel plans, because a session does not count what its workers read; and as docs/operations.md sets it.
$node->append_conf('postgresql.conf',
	$Murallink::Stack::conf
	  . "murallink.databases = ''\njit = off\nmax_parallel_workers_per_gather = 0\nrandom_page_cost = 1.1\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
$node->command_ok(
	[
		qw(psql -XqAt -v ON_ERROR_STOP=1 -f test/bench/scale.sql -d murallink),
		'-v', "patients=${\PATIENTS}", '-v', "sites=${\SITES}"
	],
	'the world of the benchmark');
is($stack->sql('SELECT * FROM murallink.verify_ledger()'), '', 'its books are right');

# Users with a login role each: 3 is a site's, 4 a trial's at a site, 5 a trial's, 6 a contract's, 7 a client's, 8 is an
# administrator, 9 is granted at random. Every seventh trial also takes part at a site of another client, with patients of
# that site.
$stack->sql(<<'EOS');
SELECT setseed(0.42);
DO $$
BEGIN
    FOR n IN 3..9 LOOP
        EXECUTE format('CREATE ROLE user%s LOGIN IN ROLE murallink_analyst, murallink_client', n);
        PERFORM murallink.set_db_role('user' || n || '@example.com', 'user' || n);
    END LOOP;
END
$$;
SET session_replication_role = replica;
INSERT INTO murallink.trial_site (uid, client_uid, contract_uid, trial_uid, site_uid)
SELECT bench.uid('ts2', n), t.client_uid, t.contract_uid, t.uid, bench.uid('sit', (n * 70 + 500) % 1000)
FROM generate_series(0, 14) AS n JOIN murallink.trial t ON t.uid = bench.uid('tri', n * 7);
INSERT INTO murallink.enrollment (uid, chain_uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id)
SELECT e.uid, e.uid, t.client_uid, t.contract_uid, t.trial_uid, t.site_uid, t.uid, p.patient_uid, 'T-' || p.uid
FROM murallink.trial_site t JOIN murallink.patient_site p USING (site_uid),
    LATERAL (SELECT murallink.gen_ksuid() AS uid WHERE p.uid IS NOT NULL OFFSET 0) e WHERE t.uid::text ~ 'ts2';
INSERT INTO murallink.caregiver (patient_uid, first_name, last_name) SELECT uid, first_name, last_name FROM murallink.patient;
INSERT INTO murallink_private.payout (payment_uid, client_uid, contract_uid, trial_uid, site_uid, patient_uid, reason)
SELECT uid, client_uid, contract_uid, trial_uid, site_uid, patient_uid, 'no_payment_type'
FROM murallink.payment;
RESET session_replication_role;
UPDATE murallink.app_user SET user_role = 'admin' WHERE db_role = 'user8';
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (SELECT uid FROM murallink.app_user WHERE db_role <> 'user3');
CREATE FUNCTION bench.grant_on(n integer, place murallink.ksuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO murallink.permission_grant (
        app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid)
    SELECT bench.uid('usr', n), permission, r.kind, place, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid
    FROM murallink_private.resource(place) AS r, unnest(enum_range(NULL::murallink.permission)) AS permission
$$;
SELECT bench.grant_on(4, bench.uid('tsi', 444)), bench.grant_on(5, bench.uid('tri', 55)),
    bench.grant_on(6, bench.uid('con', 66)), bench.grant_on(7, bench.uid('cli', 7));
GRANT USAGE ON SCHEMA bench TO PUBLIC;
ANALYZE;
EOS

# Runs a statement, which answers one value, as a user, and returns the value and how many rows of murallink's tables were
# read for it.
sub read_by
{
	my ($user, $statement) = @_;
	return split /\n/, $stack->sql(<<"EOS");
SET SESSION AUTHORIZATION $user;
$statement;
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables WHERE schemaname ~ '^murallink'
EOS
}

# Tables, and what a site, a trial at a site, a trial, a contract and a client have there.
my %rows = (
	patient => [ 20, 20, 200, 200, 2040 ],
	caregiver => [ 20, 20, 200, 200, 2040 ],
	patient_site => [ 20, 0, 0, 200, 2000 ],
	enrollment => [ 20, 20, 200, 200, 2040 ],
	payment => [ 200, 200, 2000, 2000, 20000 ],
	payout => [ 200, 200, 2000, 2000, 20000 ],
	fund_entry => [ 0, 0, 0, 2001, 20010 ],
);
foreach my $table (sort keys %rows)
{
	foreach my $user (3 .. 7)
	{
		my $expected = $rows{$table}[ $user - 3 ];
		my ($count, $read) = read_by("user$user", "SELECT count(*) FROM murallink.$table");
		is($count, $expected, "user$user sees what is theirs in $table");
		# Of 200,000 payouts, a scan of all is quicker than 20,000 look-ups.
		my $most =
			$table =~ /patient$|caregiver/ && $user > 4 ? 80_000
		  : $table eq 'payout' && $user == 7 ? 240_000
		  : 6 * $expected + 100;
		cmp_ok($read, '<=', $most, 'and reads little else');
	}
}

my %asked = (
	'get_patients' => [ 'SELECT count(*) FROM murallink.get_patients()', 20, 300 ],
	'get_patient' => [ q{SELECT count(*) FROM murallink.get_patient(bench.uid('pat', 3))}, 1, 30 ],
	'get_patient_payments' =>
	  [ q{SELECT count(*) FROM murallink.get_patient_payments(bench.uid('pat', 3), bench.uid('tri', 0))}, 10, 60 ],
	'search_patients' => [ q{SELECT count(*) FROM murallink.search_patients(bench.last_name(3))}, 1, 300 ],
	'one patient of the table' =>
	  [ q{SELECT count(*) FROM murallink.patient WHERE uid = bench.uid('pat', 3)}, 1, 30 ],
	'payments by name' =>
	  [ 'SELECT count(*) FROM murallink.payment m JOIN murallink.patient p ON p.uid = m.patient_uid', 200, 2000 ],
);
foreach my $name (sort keys %asked)
{
	my ($statement, $expected, $most) = @{ $asked{$name} };
	my ($answer, $read) = read_by('user3', $statement);
	is($answer, $expected, "user3: $name");
	cmp_ok($read, '<=', $most, 'reads little');
}
my ($found, $read) = read_by('user8', q{SELECT count(*) FROM murallink.search_patients(bench.last_name(3))});
is($found, 1, 'an administrator finds one of all patients by name');
cmp_ok($read, '<=', 100, 'by the index of names');

# The page of docs/applications.md: what belongs to payments is joined to the rows that the limit leaves.
my $page = <<'EOS';
SELECT p.amount, t.name, s.name, a.last_name, e.subject_id FROM murallink.payment p
LEFT JOIN LATERAL murallink.trial(p) t ON true LEFT JOIN LATERAL murallink.site(p) s ON true
LEFT JOIN LATERAL murallink.patient(p) a ON true LEFT JOIN LATERAL murallink.enrollment(p) e ON true
WHERE p.status = 'pending' ORDER BY p.created_at, p.uid
EOS
like($stack->sql("SET SESSION AUTHORIZATION user3; EXPLAIN (COSTS off) $page LIMIT 10"),
	qr/^Limit\n *-> +Nested Loop Left Join\n(.*Join.*\n)+ *-> +Sort\n/, 'a page is sorted before names are joined');
my ($limited, $cut) =
  map { $stack->sql("SET SESSION AUTHORIZATION user3; SELECT (array_agg(x::text))[1:10] FROM ($page $_) x") } 'LIMIT 10', '';
is($limited, $cut, 'and has the same rows');

# Whoever was granted every client sees every site, and the planner reckons with as many.
$stack->sql(q{CREATE ROLE everywhere LOGIN IN ROLE murallink_analyst; SELECT murallink.set_db_role('clients@example.com', 'everywhere')});
is($stack->sql('SET SESSION AUTHORIZATION everywhere; SELECT count(*) FROM murallink.site'), SITES, 'all sites are seen');
like($stack->sql('SET SESSION AUTHORIZATION everywhere; EXPLAIN SELECT * FROM murallink.site'), qr/ rows=${\SITES} /, 'and reckoned with');

# An administrator has the plans of the owner of the tables, who is asked nothing; the rows that they see are the same.
foreach my $query ('SELECT sum(amount) FROM murallink.payment',
	q{SELECT trial_uid, date_trunc('month', created_at), sum(amount) FROM murallink.payment GROUP BY 1, 2},
	'SELECT t.name, s.name, sum(p.amount) FROM murallink.payment p JOIN murallink.trial t ON t.uid = p.trial_uid
		JOIN murallink.site s ON s.uid = p.site_uid GROUP BY 1, 2')
{
	my ($admin, $owner) = map { $stack->sql("$_; EXPLAIN $query") } 'SET SESSION AUTHORIZATION user8', 'SET ROLE murallink_owner';
	is($admin, $owner, "an administrator has the owner's plan of $query");
}

# What a user was granted at random, seen and reckoned from the grants.
$stack->sql(<<'EOS');
CREATE VIEW bench.reach AS
SELECT g.permission, t.uid AS trial_site_uid
FROM murallink.permission_grant g JOIN murallink.trial_site t ON CASE g.resource
    WHEN 'client' THEN t.client_uid = g.resource_uid WHEN 'contract' THEN t.contract_uid = g.resource_uid
    WHEN 'trial' THEN t.trial_uid = g.resource_uid WHEN 'site' THEN t.site_uid = g.resource_uid ELSE t.uid = g.resource_uid END
WHERE g.app_user_uid = bench.uid('usr', 9);
CREATE VIEW bench.reach_of_site AS
SELECT g.permission, s.uid AS site_uid
FROM murallink.permission_grant g JOIN murallink.site s ON CASE g.resource
    WHEN 'client' THEN s.client_uid = g.resource_uid WHEN 'contract' THEN s.contract_uid = g.resource_uid
    ELSE g.resource = 'site' AND s.uid = g.resource_uid END
WHERE g.app_user_uid = bench.uid('usr', 9);
CREATE FUNCTION bench.grant_at_random() RETURNS void LANGUAGE sql AS $$
    DELETE FROM murallink.permission_grant WHERE app_user_uid = bench.uid('usr', 9);
    INSERT INTO murallink.permission_grant (
        app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid)
    SELECT bench.uid('usr', 9), permission, r.kind, chosen.uid, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid
    FROM (
        (SELECT uid FROM murallink.client ORDER BY random() LIMIT random() * 0.8)
        UNION ALL (SELECT uid FROM murallink.contract ORDER BY random() LIMIT random())
        UNION ALL (SELECT uid FROM murallink.trial ORDER BY random() LIMIT random() * 2)
        UNION ALL (SELECT uid FROM murallink.site ORDER BY random() LIMIT random() * 4)
        UNION ALL (SELECT uid FROM murallink.trial_site ORDER BY random() LIMIT random() * 4)
        UNION ALL (SELECT uid FROM murallink.trial_site WHERE uid::text ~ 'ts2' ORDER BY random() LIMIT 2)) AS chosen,
        LATERAL murallink_private.resource(chosen.uid) AS r,
        unnest('{view_patients,view_enrollments,view_payments}'::murallink.permission[]) AS permission
    WHERE random() < 0.7
$$;
EOS
my %reckoned = (
	payment => q{SELECT uid FROM murallink.payment JOIN bench.reach USING (trial_site_uid) WHERE permission = 'view_payments'},
	enrollment => q{SELECT uid FROM murallink.enrollment JOIN bench.reach USING (trial_site_uid)
		WHERE permission IN ('view_enrollments', 'view_patients')},
	patient_site => q{SELECT uid FROM murallink.patient_site JOIN bench.reach_of_site USING (site_uid) WHERE permission = 'view_patients'},
	patient => q{SELECT patient_uid AS uid FROM murallink.patient_site JOIN bench.reach_of_site USING (site_uid)
		WHERE permission = 'view_patients' UNION ALL
		SELECT patient_uid FROM murallink.enrollment JOIN bench.reach USING (trial_site_uid) WHERE permission = 'view_patients'},
);
my $digest = q{SELECT count(*) || ' ' || coalesce(md5(string_agg(uid::text, '' ORDER BY uid)), '')};
foreach my $round (1 .. 12)
{
	$stack->sql("SELECT setseed($round / 100.0); SELECT bench.grant_at_random()");
	foreach my $table (sort keys %reckoned)
	{
		my $expected = $stack->sql("$digest FROM (SELECT DISTINCT uid FROM ($reckoned{$table}) AS r) AS distinct_r");
		foreach my $seqscan ('off', 'on')
		{
			is($stack->sql("SET enable_seqscan = $seqscan; SET SESSION AUTHORIZATION user9; $digest FROM murallink.$table"),
				$expected, "grants at random $round, $table, sequential scans $seqscan");
		}
	}
}

# A plan is kept for a role, whoever asks through it.
is($node->safe_psql('murallink', <<'EOS'), <<'EOS' =~ s/\n\z//r, 'one plan serves whoever asks');
SELECT murallink_private.open_session(bench.uid('usr', 3)) AS site, murallink_private.open_session(bench.uid('usr', 7)) AS client,
    murallink_private.open_session(bench.uid('usr', 8)) AS admin \gset
DELETE FROM murallink.permission_grant WHERE app_user_uid = bench.uid('usr', 9);
SET plan_cache_mode = force_generic_plan;
PREPARE payments AS SELECT count(*) FROM murallink.payment;
PREPARE patients AS SELECT count(*) FROM murallink.patient;
SET SESSION AUTHORIZATION user9;
\set ask 'EXECUTE payments; EXECUTE patients;'
:ask
BEGIN; SELECT FROM murallink.authenticate(:'site') \gset
:ask
COMMIT;
BEGIN; SELECT FROM murallink.authenticate(:'client') \gset
:ask
COMMIT;
BEGIN; SELECT FROM murallink.authenticate(:'admin') \gset
:ask
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT FROM bench.grant_on(9, bench.uid('sit', 9)) \gset
SET SESSION AUTHORIZATION user9;
:ask
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = bench.uid('usr', 9);
SET SESSION AUTHORIZATION user9;
:ask
SELECT name, generic_plans FROM pg_prepared_statements ORDER BY name;
EOS
0
0
200
20
20000
2040
200000
20000
200
20
0
0
patients|6
payments|6
EOS

$node->stop;
done_testing();
