# A database is dumped and restored into a new cluster, where it is the same and goes on, but pays nobody
# out; the extension stays as long as its tables; and the library does not touch data of a version that it
# does not know.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

# People decide here what is in doubt.
my $payouts = Murallink::Payouts->new(settings => { look_up => JSON::PP::false });
my $old = $payouts->stack;

# Payments and payouts in every state, a milestone that was paid, and an index that is the user's own
$payouts->sql("SELECT murallink.set_db_role('$old->{admin_email}', session_user)");
$payouts->patients(3);
$payouts->approve(6);
$payouts->wait_settled;
$payouts->fault(count => 1, when => 'after', action => 'close');
$payouts->approve(1);
$payouts->wait_settled;
$payouts->fault(count => 1, when => 'before', action => 'answer', status => 400);
$payouts->approve(1);
$payouts->wait_settled;
$payouts->call('disable_payouts');
$payouts->approve(2);
$payouts->sql(<<'EOS');
CREATE TABLE public.milestone AS SELECT added.uid FROM public.place,
    LATERAL murallink.add_milestone('Week 1', 100, 'USD', trial_uid, site_uid) AS added;
SELECT murallink.milestone_payment(e.patient_uid, m.uid) FROM public.milestone AS m,
    LATERAL (SELECT patient_uid FROM murallink.enrollment ORDER BY uid LIMIT 2) AS e;
SELECT murallink.reject_payment(uid, 'a mistake') FROM murallink.payment WHERE status = 'pending' ORDER BY uid DESC LIMIT 1;
CREATE INDEX payment_by_note ON murallink_private.payment (note);
EOS
$payouts->call('enable_payouts');
$payouts->wait_settled;
# The worker forgets these when it has looked at what they may have changed.
$payouts->wait_for('SELECT count(*) = 0 FROM murallink_private.route_change');
is($payouts->sql(q{SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM murallink.payment}),
	'failed in_doubt paid pending rejected', 'there are payments in many states');

my $new = Murallink::Stack->new(dir => abs_path(tempdir(CLEANUP => 1)));
$new->start_server;
my $dump = "$new->{dir}/dump";
my ($from, $to) = (place($old), place($new));
my $psql = 'psql -qX -v ON_ERROR_STOP=1';
shell("pg_dumpall $from --roles-only | grep -v 'ROLE postgres' | $psql $to postgres");
shell("pg_dump $from -f $dump.sql murallink");
shell("pg_dump $from -Fc -f $dump.custom murallink");
my %tables = tables($old, 'murallink');
my %definitions = definitions($old, 'murallink');
cmp_ok(scalar keys %tables, '>', 25, 'all tables are compared');
ok($definitions{'index murallink_private.payment_by_note'}, "so are the user's own indexes");
my $loads = @{ $old->client->ledger };

foreach my $restore (
	[ murallink => "$psql $to -f $dump.sql murallink > /dev/null" ],
	[ custom => "pg_restore $to --exit-on-error -j 2 -d custom $dump.custom" ])
{
	my ($database, $command) = @$restore;
	my $sql = sub { return $new->sql($_[0], $database) };
	note "restored into $database";
	$new->sql("CREATE DATABASE $database", 'postgres');
	ok(eval { shell($command); 1 }, 'it is restored') or diag($@);
	is_deeply({ tables($new, $database) }, \%tables, 'every table is the same');
	is_deeply({ definitions($new, $database) }, \%definitions,
		'so are indexes, triggers, policies, privileges and comments');
	is($sql->('SELECT * FROM murallink.verify_ledger()'), '', 'the books are right');
	is($sql->('SELECT murallink_private.payouts_state()'), 'elsewhere', 'payouts are off');

	is($sql->(<<'EOS'), 0, 'what was paid is paid');
SELECT count(*) FROM murallink.payment AS p, murallink.payable_milestones(p.patient_uid, p.trial_uid)
WHERE p.payment_type = 'milestone' AND p.status = 'pending'
EOS
	is($sql->(<<'EOS'), 2, 'what was not, or was rejected, can be');
SELECT count(murallink.milestone_payment(e.patient_uid, m.uid)) FROM public.milestone AS m, murallink.enrollment AS e
WHERE NOT EXISTS (
    SELECT FROM murallink.payment AS p
    WHERE p.enrollment_uid = e.uid AND p.payment_type = 'milestone' AND p.status = 'pending')
EOS
	is($sql->(q{SELECT count(murallink.approve_payment(uid)) FROM murallink.payment WHERE status = 'pending'}), 3,
		'and approved');
	is($sql->('SELECT * FROM murallink.verify_ledger()'), '', 'the books are still right');
	is($sql->("SELECT public.error_of('$_')"), 'append_only', "refused: $_")
	  foreach 'DELETE FROM murallink_private.payment', 'UPDATE murallink.milestone SET amount = 1', 'TRUNCATE murallink.funding';
	is($sql->(q{SELECT public.error_of('UPDATE murallink.fund_slot SET reserved = 0')}), 'guarded',
		'nor are the balances written');
	is($sql->('SET SESSION AUTHORIZATION murallink_analyst; SELECT count(*) FROM murallink.patient'), 0,
		'row level security holds');
	is($sql->("SELECT user_role FROM murallink.login('$new->{admin_email}', '$new->{admin_password}')"), 'admin',
		'people log in');
}
Murallink::Stack::poll('the worker to look', sub {
	$new->sql(<<'EOS') eq 't'
SELECT bool_or(heartbeat_at > (SELECT max(created_at) FROM murallink.payout)) FROM murallink.worker_status()
EOS
});
is(scalar @{ $old->client->ledger }, $loads, 'and nobody was paid out');

note 'DROP EXTENSION';
is($payouts->error_of('DROP EXTENSION murallink'),
	'cannot drop extension murallink because other objects depend on it', 'the extension stays as long as its tables');

note 'data of another version';
my @actions = split /\n/, $payouts->sql(<<'EOS');
SELECT proname FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace
AND has_function_privilege('murallink_client', oid, 'EXECUTE') AND NOT has_function_privilege('public', oid, 'EXECUTE')
AND proname <> ALL ('{api,authenticate,errors,ping}')
EOS
cmp_ok(scalar @actions, '>', 25, 'all actions are tried');
my %payload = (
	login => { email => $old->{admin_email}, password => $old->{admin_password} },
	register => { email => 'new@example.com', password => 'correct horse', first_name => 'New', last_name => 'User' });
is_deeply([ answers(map { [ $_, $payload{$_} // {} ] } @actions) ],
	[ ('503 unknown_data_version Run SELECT murallink.upgrade(); or install the matching version of the library.')
		  x @actions ], 'every action says what to do');
is($payouts->sql('SELECT count(*) FROM murallink.app_user'), 1, 'and does nothing');
is($payouts->error_of('SELECT murallink.upgrade()'), 'unknown_data_version', 'a newer version cannot be upgraded');
$payouts->sql('UPDATE murallink_private.data_version SET version = murallink_private.known_data_version()');
is($payouts->sql(q{SELECT murallink.api('{"action": "my_info"}') ->> 'status_code'}), 200, 'and back');

done_testing();

# The answers to actions, in a session in which the version of the data becomes unknown after the first one.
sub answers
{
	my @requests = @_;
	my $ask = <<'EOS';
SELECT concat_ws(' ', answer ->> 'status_code', answer #>> '{error,code}', answer #>> '{error,hint}')
FROM murallink.api('%s') AS answer;
EOS
	open my $session, '|-', "$psql $from -At -o $dump.answers murallink" or die "psql: $!\n";
	printf $session $ask, '{"action": "my_info"}';
	print $session "\\! $psql $from -c 'UPDATE murallink_private.data_version SET version = 99' murallink\n";
	printf $session $ask, encode_json({ action => $_->[0], payload => $_->[1] }) foreach @requests;
	close $session or die "psql failed\n";
	chomp(my ($before, @after) = split /^/, slurp_file("$dump.answers"));
	is($before, '200', 'a session is at work');
	return @after;
}

# How psql and its like find a server.
sub place
{
	my ($stack) = @_;
	return "-h $stack->{host} -p $stack->{port} -U $stack->{user}";
}

sub shell
{
	my ($command) = @_;
	system('sh', '-ec', $command) == 0 or die "failed: $command\n";
	return;
}

# A checksum of each table of murallink.
sub tables
{
	my ($stack, $database) = @_;
	my @names = split /\n/, $stack->sql(<<'EOS', $database);
SELECT oid::regclass FROM pg_class WHERE relnamespace::regnamespace::text ~ '^murallink' AND relkind = 'r'
EOS
	my $checksum = q{SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM};
	return map { $_ => $stack->sql("$checksum $_ AS t", $database) } @names;
}

# How everything of murallink's that is no member of the extension is defined.
sub definitions
{
	my ($stack, $database) = @_;
	return map { split /\|/, $_, 2 } split /\n/, $stack->sql(<<'EOS', $database);
WITH relation AS (
    SELECT * FROM pg_class WHERE relnamespace::regnamespace::text ~ '^murallink' AND relkind IN ('r', 'v')
), definition (what, text) AS (
    SELECT format('relation %s', oid::regclass), concat_ws(' ', relowner::regrole, relrowsecurity, relforcerowsecurity,
        reloptions, (SELECT string_agg(acl::text, ' ' ORDER BY acl::text) FROM unnest(relacl) AS acl),
        -- The name of a constant in a later branch of a UNION, which a dump adds, is nobody's.
        CASE relkind WHEN 'v' THEN regexp_replace(pg_get_viewdef(oid), '((?:NULL|''[^'']*'')::[\w.]+) AS "?\w+"?', '\1', 'g') END,
        obj_description(oid, 'pg_class')) FROM relation
    UNION ALL
    SELECT format('column %s.%s', r.oid::regclass, attname), concat_ws(' ', format_type(atttypid, atttypmod),
        attnotnull, pg_get_expr(adbin, adrelid), col_description(r.oid, attnum))
    FROM relation r JOIN pg_attribute a ON attrelid = r.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef d ON adrelid = r.oid AND adnum = attnum
    UNION ALL
    SELECT format('constraint %s on %s', conname, r.oid::regclass), pg_get_constraintdef(c.oid)
    FROM relation r JOIN pg_constraint c ON conrelid = r.oid
    UNION ALL
    SELECT format('index %s', indexrelid::regclass), concat_ws(' ', pg_get_indexdef(indexrelid),
        obj_description(indexrelid, 'pg_class')) FROM relation r JOIN pg_index ON indrelid = r.oid
    UNION ALL
    SELECT format('trigger %s on %s', tgname, r.oid::regclass), concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
    FROM relation r JOIN pg_trigger t ON tgrelid = r.oid AND NOT tgisinternal
    UNION ALL
    SELECT format('policy %s on %s', polname, r.oid::regclass), concat_ws(' ', polcmd, polroles::regrole[],
        pg_get_expr(polqual, polrelid)) FROM relation r JOIN pg_policy ON polrelid = r.oid
)
SELECT what, translate(text, E'\n', ' ') FROM definition
EOS
}
