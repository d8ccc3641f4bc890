# Copies of a database that pays: of the server's files, by a base backup, by a dump. None of them pays until payouts are
# enabled there, and then what the original has sent since is found at the issuer.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(
	settings => { settling => 1, timeout => 100, concurrency => 4 }, conf => "max_prepared_transactions = 2\n");
my $dir = $payouts->stack->{dir};
my $psql = "psql -qX -v ON_ERROR_STOP=1 -h $dir -U postgres";

$payouts->patients(4);
$payouts->order_cards;

note 'the files of a stopped server, and a base backup that is started by itself';
foreach my $way (qw(file_copy base_backup))
{
	$payouts->set('murallink.databases' => '');
	$payouts->wait_for('SELECT pid IS NULL FROM murallink_private.worker_slot(NULL)');
	my @open = $payouts->approve(10);
	$payouts->stop_server('fast') if $way eq 'file_copy';
	my $copy = $payouts->$way;
	$payouts->start_server if $way eq 'file_copy';
	$payouts->set('murallink.databases' => 'murallink');
	$payouts->wait_settled;
	is_deeply([ map { $payouts->state_of($_) } @open ], [ ('done paid') x 10 ], "$way: the original goes on");

	$copy->start_server;
	$copy->set('murallink.databases' => 'murallink');
	is($copy->sql('SELECT murallink_private.payouts_state()'), 'elsewhere', "$way: the copy does not pay");
	Murallink::Stack::poll('the log', sub { grep { /copy of one that pays out/ } $copy->stack->log_of('postgresql') });
	$copy->wait_looks;
	is($copy->count('ready'), 10, 'though it has work');
	$copy->stop_server('fast');
	$copy->start_server;
	$copy->wait_looks;
	is($copy->count('ready'), 10, 'nor after a restart');
	# One that waits for its next attempt is not waited for.
	$copy->sql("UPDATE murallink_private.call SET due_at = due_at + interval '1 hour' WHERE uid = '$open[0]'");
	$copy->call('enable_payouts');
	$copy->wait_idle;
	is_deeply([ map { $copy->state_of($_) } @open ], [ ('done paid') x 10 ], 'enabled there, it finds what was sent');
	is_deeply([ $copy->wrong ], [], 'and sends nothing twice');
	$copy->stop_server('fast');
}

note 'a transaction that is prepared when the copy is made, and committed at both, as a transaction manager does after a failover';
$payouts->sql('BEGIN; SELECT FROM public.place; PREPARE TRANSACTION $$elsewhere$$'); # one that is not ours to mind
my $approval = Murallink::Payouts::approval(1, 'true') =~ s/TEMP TABLE made/TABLE public.made/r;
$payouts->sql("BEGIN; $approval; PREPARE TRANSACTION 'branch'");
my $copy = $payouts->base_backup;
$payouts->sql("COMMIT PREPARED 'branch'");
$payouts->wait_settled;
my $branch = $payouts->sql('SELECT o.uid FROM public.made m JOIN murallink.payout o ON o.payment_uid = m.uid');
is($payouts->state_of($branch) . ' ' . $payouts->loads($branch), 'done paid 1', 'the original pays it');
$copy->start_server;
$copy->set('murallink.databases' => 'murallink');
is($copy->refusal('enable_payouts'), 'blocked', 'the copy does not pay before it is known there, too');
$copy->sql("COMMIT PREPARED 'branch'");
$copy->call('enable_payouts');
$copy->wait_idle;
is($copy->state_of($branch) . ' ' . $copy->loads($branch), 'done paid 1', 'then it finds what was sent, and sends nothing twice');
$copy->stop_server('fast');
$payouts->sql($_) foreach q{ROLLBACK PREPARED 'elsewhere'}, 'DROP TABLE public.made';

note 'one that was refused, and is sent again by a person after the copy was made';
$payouts->fault(when => 'before', action => 'answer', status => 400, body => '{"status":"failure","message":"no"}', count => 1);
my ($refused) = $payouts->approve(1);
$payouts->wait_settled;
$copy = $payouts->base_backup;
$payouts->call(retry_payout => $refused, 'the issuer says so');
$payouts->wait_settled;
is($payouts->state_of($refused) . ' ' . $payouts->loads($refused), 'done paid 1', 'the original pays it');
$copy->start_server;
$copy->set('murallink.databases' => 'murallink');
$copy->call('enable_payouts');
is($copy->error_of("UPDATE murallink_private.payment SET status = 'cancelled' WHERE uid = (SELECT payment_uid FROM murallink.payout WHERE uid = '$refused')"),
	'wrong_status', 'the copy does not cancel it');
is($copy->sql("SELECT remedy FROM murallink.needs_person WHERE uid = '$refused'"), 'retry_payout', 'but says what helps');
$copy->call(retry_payout => $refused, 'to see');
$copy->wait_idle;
is($copy->state_of($refused) . ' ' . $copy->loads($refused), 'done paid 1', 'and finds it');
$copy->stop_server('fast');

note 'a dump, made while payouts are being sent, and restored beside its database, and in its place';
busy();
shell("pg_dump -h $dir -U postgres -Fc -f $dir/dump murallink");
$payouts->no_fault;
$payouts->wait_settled;
my $loads = @{ $payouts->stack->client->ledger };
restored('restored', 'CREATE DATABASE restored');
$payouts->sql('SET client_min_messages = error; DROP SCHEMA murallink, murallink_private, public CASCADE');
$payouts->sql('CREATE SCHEMA public');
restored('murallink', 'SELECT');

note 'the same place, after a crash and in another session, is the same place';
my $place = $payouts->sql('SELECT murallink_private.payout_place()');
$payouts->stop_server('immediate');
$payouts->start_server;
is($payouts->sql('SELECT murallink_private.payout_place()'), $place, 'the place is the same');
busy();
$payouts->call('enable_payouts');
$payouts->no_fault;
$payouts->wait_idle;
is($payouts->sql(q{SELECT count(*) FROM murallink_private.payout o JOIN murallink.payout s USING (uid)
	LEFT JOIN murallink_private.call c USING (uid) WHERE (o.suspect OR c.suspect) AND s.status <> 'done'}), 0, 'enabled again while it pays: nothing is suspected');
is_deeply([ $payouts->wrong ], [], 'the books agree');

note 'the same files, recovered to an earlier point';
$payouts->set(restore_command => 'false');
$payouts->stop_server('fast');
open my $signal, '>', "$dir/data/recovery.signal" or die "recovery.signal: $!\n";
close $signal;
$payouts->start_server;
$payouts->wait_for('SELECT NOT pg_is_in_recovery()');
is($payouts->sql('SELECT murallink_private.payouts_state()'), 'elsewhere', 'another timeline is another place');
my ($unsent) = $payouts->approve(1);
$payouts->wait_looks;
like($payouts->state_of($unsent), qr/^ready/, 'it does not pay');
$payouts->sql('SELECT murallink.enable_payouts(look_first => false)');
$payouts->wait_settled;
is($payouts->sql("SELECT attempt FROM murallink.payout WHERE uid = '$unsent'"), 1, 'an operator may know that nothing was sent');
done_testing();

# Restores the dump in a database, and has it pay there.
sub restored
{
	my ($database, $command) = @_;
	$payouts->stack->sql($command, 'postgres');
	shell("pg_restore -h $dir -U postgres --exit-on-error -d $database $dir/dump");
	$payouts->set('murallink.databases' => $database);
	my $sql = sub { return $payouts->stack->sql($_[0], $database) };
	Murallink::Stack::poll('the worker', sub { $sql->('SELECT pid IS NOT NULL FROM murallink_private.worker_slot(NULL)') eq 't' });
	is($sql->('SELECT murallink_private.payouts_state()'), 'elsewhere', "in $database: it does not pay");
	cmp_ok($sql->(q{SELECT count(*) FROM murallink.payout WHERE status IN ('ready', 'claimed')}), '>', 10, 'though it has work');
	$sql->('SELECT murallink.enable_payouts()');
	Murallink::Stack::poll('the look-ups', sub { $sql->('SELECT count(*) FROM murallink_private.call WHERE open') eq '0' });
	is($sql->(q{SELECT count(*) FROM murallink.payout WHERE status <> 'done'}), 0, 'enabled there, it finds what was sent');
	is(scalar @{ $payouts->stack->client->ledger }, $loads, 'and sends nothing twice');
	is($sql->('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
	return;
}

# Payouts that are sent four at a time, of which the first are claimed, and answered when there are no faults any more.
sub busy
{
	$payouts->hold(when => 'after');
	$payouts->approve(60);
	return $payouts->wait_for(q{SELECT count(*) > 0 FROM murallink.payout WHERE status = 'claimed'});
}

sub shell
{
	my ($command) = @_;
	system('sh', '-ec', $command) == 0 or die "failed: $command\n";
	return;
}
