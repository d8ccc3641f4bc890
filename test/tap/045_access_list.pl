# How long access_list() takes over 100,000 grants of 2,000 users on 1,000 trials, now and of a day in the past, for an
# administrator and for a user who holds grant on the contract: the time for which the backend has a core.

use strict;
use warnings;

use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('access_list');
$node->init;
$node->append_conf('postgresql.conf',
	$Murallink::Stack::conf . "murallink.databases = ''\nmax_parallel_workers_per_gather = 0\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
$stack->sql(<<'EOS');
CREATE SCHEMA listed;
CREATE TABLE listed.thing (name text PRIMARY KEY, uid murallink.ksuid);
CREATE ROLE lister_admin LOGIN IN ROLE murallink_client;
CREATE ROLE lister_lead LOGIN IN ROLE murallink_client;
GRANT USAGE ON SCHEMA listed TO PUBLIC;
GRANT SELECT ON listed.thing TO PUBLIC;
SELECT murallink.register('lead@example.com', 'correct horse', 'Lea', 'Lead');
SELECT murallink.set_db_role('lead@example.com', 'lister_lead');
UPDATE murallink.app_user SET db_role = 'lister_admin' WHERE user_role = 'admin';
INSERT INTO murallink.app_user (email, first_name, last_name)
SELECT 'user' || n || '@example.com', 'Given', 'Family' FROM generate_series(1, 2000) AS n;
INSERT INTO murallink.client (name) VALUES ('Listed');
INSERT INTO murallink.contract (client_uid, name, currency) SELECT uid, name, 'USD' FROM murallink.client;
INSERT INTO murallink.trial (client_uid, contract_uid, name)
SELECT client_uid, uid, 'Trial ' || n FROM murallink.contract, generate_series(1, 1000) AS n;
SET session_replication_role = replica;
INSERT INTO murallink.permission_grant (
    app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, granted_by_uid,
    until, ended_at, ended_note, created_at)
SELECT u.uid, p.permission, 'trial', t.uid, t.client_uid, t.contract_uid, t.uid,
    (SELECT uid FROM murallink.app_user WHERE user_role = 'admin'),
    CASE WHEN u.n % 10 = 0 THEN timestamptz '2999-01-01' END, CASE WHEN u.n % 50 = 0 THEN now() END,
    CASE WHEN u.n % 50 = 0 THEN 'left' END, now() - interval '1 year'
FROM (SELECT uid, row_number() OVER (ORDER BY uid) AS n FROM murallink.app_user WHERE email ~ '^user') AS u
    CROSS JOIN generate_series(0, 9) AS place
    JOIN (SELECT *, row_number() OVER (ORDER BY uid) AS n FROM murallink.trial) AS t
        ON t.n = (u.n * 7 + place * 97) % 1000 + 1
    CROSS JOIN unnest('{view_trials,view_payments,enroll,milestone_payment,view_enrollments}'::murallink.permission[])
        AS p (permission);
RESET session_replication_role;
INSERT INTO listed.thing SELECT 'contract', uid FROM murallink.contract;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid)
SELECT u.uid, p.permission, 'contract', k.uid, k.client_uid, k.uid
FROM murallink.app_user u, murallink.contract k, unnest('{grant,view_trials}'::murallink.permission[]) AS p (permission)
WHERE u.db_role = 'lister_lead';
ANALYZE;
-- For how many seconds this process has had a core
CREATE FUNCTION listed.at_work() RETURNS float LANGUAGE sql SECURITY DEFINER
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float / 1e9;
CREATE FUNCTION listed.seconds(resource text, at timestamptz, OUT rows bigint, OUT seconds float) LANGUAGE plpgsql AS $$
BEGIN
    -- The second time, when the plans are made and the grants read.
    FOR n IN 1..2 LOOP
        seconds := listed.at_work();
        SELECT count(*) INTO rows FROM murallink.access_list((SELECT uid FROM listed.thing WHERE name = resource), at);
        seconds := listed.at_work() - seconds;
    END LOOP;
END
$$;
CREATE FUNCTION listed.seconds_of_api(resource text) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
    before float := listed.at_work();
BEGIN
    PERFORM murallink.api(jsonb_build_object('action', 'access_list', 'payload',
        jsonb_build_object('resource_uid', (SELECT uid FROM listed.thing WHERE name = resource))));
    RETURN listed.at_work() - before;
END
$$;
EOS

is($stack->sql('SELECT count(*) >= 100000 FROM murallink.permission_grant'), 't', 'there are 100,000 grants');
foreach my $caller (qw(admin lead))
{
	foreach my $at ('NULL', "now() - interval '30 days'")
	{
		my ($rows, $seconds) = split /\|/,
		  $stack->sql("SET SESSION AUTHORIZATION lister_$caller; SELECT * FROM listed.seconds('contract', $at)");
		cmp_ok($rows, '>=', $at eq 'NULL' ? 98_000 : 100_000, "the $caller sees them at $at");
		cmp_ok($seconds, '<', 1, sprintf 'in %.2f s', $seconds);
		note sprintf '%s at %s: %d rows in %.3f s', $caller, $at, $rows, $seconds;
	}
}
my $seconds = $stack->sql("SET SESSION AUTHORIZATION lister_admin; SELECT listed.seconds_of_api('contract')");
cmp_ok($seconds, '<', 3, sprintf 'as JSON in %.2f s', $seconds);
note "as JSON in $seconds s";
done_testing();
