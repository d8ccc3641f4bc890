# S41: the feed of events: readers with a cursor, on the server and on a standby, beside many writers, whose transactions end in
# another order than they begin, have subtransactions, and are prepared. Each reads every event once; so it does after a dump is
# restored on another server, whose transactions have lower numbers, and after a promotion.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use List::Util qw(uniq);
use Murallink::Payouts;
use Test::More;

use constant { WRITERS => 8, TRANSACTIONS => 60 };

my $payouts = Murallink::Payouts->new(conf => "max_prepared_transactions = 20\nmurallink.databases = ''\n");
my $stack = $payouts->stack;
$payouts->patients(WRITERS);
$payouts->become_payer;
my $standby = $payouts->base_backup('-R');
$standby->start_server;

note 'many writers';
my $pay = q{INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
	SELECT uid, 'manual', 1, 'USD' FROM murallink.enrollment ORDER BY uid OFFSET :client_id LIMIT 1 RETURNING uid AS made \gset};
my $approve = q{UPDATE murallink_private.payment SET status = 'approved' WHERE uid = ':made'};
my %scripts = (
	'short@4' => "$pay\n",
	'long@2' => "BEGIN;\n$pay\n\\sleep 150 ms\n$approve;\nCOMMIT;\n",
	'idle@1' => "\\set pause random(1, 300)\nBEGIN;\n$pay\n\\sleep :pause ms\nROLLBACK;\n",
	'subtransactions@2' => "BEGIN;\n$pay\nSAVEPOINT a;\n$pay\nSAVEPOINT b;\n$pay\n$approve;\nROLLBACK TO b;\n\\sleep 20 ms\n$approve;\nCOMMIT;\n",
	'prepared@2' => "\\set id random(1, 1000000000)\nBEGIN;\n$pay\nPREPARE TRANSACTION 'w:id';\n\\sleep 100 ms\nCOMMIT PREPARED 'w:id';\n");
my @scripts = map {
	my ($name, $weight) = split /@/;
	my $file = "$stack->{dir}/$name.sql";
	open my $out, '>', $file or die "$file: $!\n";
	print $out $scripts{$_};
	close $out or die "$file: $!\n";
	('-f', "$file\@$weight")
} sort keys %scripts;
my $writers = fork // die "fork: $!\n";
exec('pgbench', qw(-n -M simple -j 2 -c), WRITERS, '-t', TRANSACTIONS, @scripts, '-h', $stack->{host}, '-p', $stack->{port},
	'-U', $stack->{user}, Murallink::Stack::DATABASE) or die "pgbench: $!\n" unless $writers;
my @readers = map { { session => $_->stack->connect, read => [], reads => 0 } } $payouts, $standby;
while (waitpid($writers, 1) == 0) { read_on($_) foreach @readers }
is($?, 0, 'the writers have ended');
is_caught_up('many writers');
cmp_ok($readers[0]{reads}, '>', 5, "it was read in $readers[0]{reads} parts");

note 'transactions that stay open';
my $old = $stack->connect;
$old->do($_) foreach 'BEGIN', 'SELECT pg_current_xact_id()';
my $new = $payouts->sql(q{INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
	SELECT uid, 'manual', 2, 'USD' FROM murallink.enrollment LIMIT 1 RETURNING uid});
is(read_on($_), 0, 'what was committed meanwhile is not shown') foreach @readers;
$old->do(q{UPDATE murallink_private.payment SET status = 'approved' WHERE amount = 1 AND status = 'pending'});
$old->do(q{PREPARE TRANSACTION 'old'});
is(read_on($_), 0, 'nor while the older one is prepared') foreach @readers;
$payouts->sql(q{COMMIT PREPARED 'old'});
is_caught_up('then both');
is($payouts->sql(q{SELECT (p.events[cardinality(p.events)]).resource_uid FROM murallink.events('', NULL, 10000) p}), $new, 'the older one comes first');

note 'what an event says, and to whom';
my $pending = q{SELECT e.type, e.resource, e.payment_uid = e.resource_uid, e.status, e.reason, e.amount, e.currency, e.returned
	FROM murallink.events('', '{%s}') p, unnest(p.events) e ORDER BY e.sequence DESC LIMIT 1};
is($payouts->sql(sprintf $pending, 'payment.pending'), 'payment.pending|payment|t|pending||2|USD|', 'a payment');
is($payouts->sql(sprintf $pending, 'payment.approved'), 'payment.approved|payment|t|approved||1|USD|', 'that is approved');
is($payouts->sql(sprintf $pending, 'access.changed'), 'access.changed|app_user||||||', 'an account');
$payouts->sql(q{SELECT murallink.hold_payouts('not now', contract_uid => contract_uid) FROM public.place});
$payouts->approve(1);
is($payouts->sql(q{SELECT e.type, e.reason, e.payment_uid = o.payment_uid FROM murallink.payout o, murallink.events('', '{payout.waiting}') p,
	unnest(p.events) e WHERE e.resource_uid = o.uid}), 'payout.waiting|held|t', 'a payout that waits');
my $end = $payouts->sql(q{SELECT next FROM murallink.events(most => 0)});
foreach my $permission (qw(view_payments view_enrollments))
{
	$payouts->sql(<<"EOC");
CREATE ROLE $permission LOGIN IN ROLE murallink_client;
WITH made AS (
    INSERT INTO murallink.app_user (email, db_role) VALUES ('$permission\@example.com', '$permission') RETURNING uid
)
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid)
SELECT m.uid, '$permission', 'trial', l.trial_uid, l.client_uid, l.contract_uid, l.trial_uid, NULL FROM made m, public.place l
EOC
}
my %seen = map { $_ => as($_, 'SELECT DISTINCT split_part(e.type, $$.$$, 1) FROM murallink.events(most => 10000) p, unnest(p.events) e ORDER BY 1') }
	qw(view_payments view_enrollments);
is_deeply(\%seen, { view_payments => "payment\npayout", view_enrollments => 'enrollment' }, 'each sees what the permission shows');
is(as('view_enrollments', "SELECT cardinality(events), more FROM murallink.events('$end')"), '0|f', 'and passes over the rest');
is(as('view_enrollments', "SELECT next > '$end' FROM murallink.events('$end')"), 't', 'for good');
is($payouts->error_of(qq{SELECT murallink.events($_)}), 'invalid_value', "refused: $_")
	foreach "'x'", "most => 10001", "types => '{payment.gone}'", "'" . ('f' x 24) . "'";

note 'a dump that is restored on another server';
my $cursor = $payouts->sql(q{SELECT next FROM murallink.events(most => 0)});
Murallink::Stack::run('pg_dump', '-h', $stack->{host}, '-U', $stack->{user}, '-Fc', '-f', "$stack->{dir}/dump", Murallink::Stack::DATABASE);
my $other = Murallink::Stack->new(dir => abs_path(tempdir(CLEANUP => 1)));
$other->start_installed("murallink.databases = ''\n");
$other->sql('CREATE DATABASE restored', 'postgres');
Murallink::Stack::run('pg_restore', '-h', $other->{host}, '-U', $other->{user}, '--single-transaction', '-d', 'restored', "$stack->{dir}/dump");
my $made = q{INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
	SELECT uid, 'manual', 3, 'USD' FROM murallink.enrollment LIMIT 1 RETURNING uid};
my $after = q{SELECT string_agg(e.resource_uid::text, ' ') FROM murallink.events('%s') p, unnest(p.events) e};
is($other->sql(sprintf($after, $cursor), 'restored'), '', 'nothing is repeated');
my $there = $other->sql($made, 'restored');
cmp_ok($other->sql('SELECT pg_current_xact_id()', 'restored'), '<', $payouts->sql('SELECT pg_current_xact_id()'), 'its transactions have lower numbers');
is($other->sql(sprintf($after, $cursor), 'restored'), $there, 'nothing is skipped');
$other->stop;

note 'a standby that is promoted, with a transaction that was prepared before';
$payouts->sql("BEGIN; $made; PREPARE TRANSACTION 'branch'");
my $seen = $payouts->sql($made);
my $epochs = $payouts->sql('SELECT count(*) FROM murallink_private.audit_epoch');
$payouts->wait_for('SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication');
$payouts->stop_server('fast');
$standby->stack->sql('SELECT pg_promote()', 'postgres');
my $later = $standby->sql($made);
is($standby->sql(sprintf $after, $cursor), '', 'what was prepared holds up what came after it');
$standby->sql(q{COMMIT PREPARED 'branch'});
my $branch = $standby->sql(q{SELECT uid FROM murallink.payment WHERE amount = 3 ORDER BY created_at LIMIT 1});
is($standby->sql(sprintf $after, $cursor), "$branch $seen $later", 'then all is shown, in order');
is($standby->sql('SELECT count(*) FROM murallink_private.audit_epoch'), $epochs + 1, 'it is another place');
done_testing();

# Runs a query as a role.
sub as
{
	my ($role, $query) = @_;
	return $payouts->sql("SET SESSION AUTHORIZATION $role; $query");
}

# Each reader has read all that there is, in order.
sub is_caught_up
{
	my ($what) = @_;
	my @all = split / /, $payouts->sql('SELECT string_agg(sequence, $$ $$ ORDER BY position, step) FROM murallink_private.event');
	is_deeply([ sort(uniq(@all)) ], \@all, 'each event has a place of its own, which sorts as text');
	$payouts->wait_for('SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication');
	foreach my $reader (@readers)
	{
		1 while read_on($reader);
		is_deeply($reader->{read}, \@all, "$what: a reader has read every event once");
	}
	return;
}

# Reads the next part of the feed; returns how many events it has.
sub read_on
{
	my ($reader) = @_;
	my ($next, $events) = @{ Murallink::Stack::rows_of($reader->{session},
		"SELECT p.next, (SELECT string_agg(e.sequence, ' ') FROM unnest(p.events) e) FROM murallink.events('"
		  . ($reader->{next} // '') . "', NULL, 100) p")->[0] };
	my @events = split / /, $events // '';
	push @{ $reader->{read} }, @events;
	$reader->{reads}++ if @events;
	$reader->{next} = $next;
	return scalar @events;
}
