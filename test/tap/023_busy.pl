# While payouts are being sent: reload, payers that leave the funds no moment free, disable_payouts(), ALTER EXTENSION UPDATE,
# DROP EXTENSION and CREATE EXTENSION. Nothing hangs, nothing is sent twice, and the worker goes on.

use strict;
use warnings;

use File::Basename qw(dirname);
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { concurrency => 5 });
my $dir = $payouts->stack->{dir};

$payouts->patients(4);
$payouts->order_cards;
my $worker = $payouts->worker;

busy();
$payouts->set('murallink.shutdown_grace' => '1s', 'murallink.databases' => 'murallink, absent');
$payouts->stack->configure_dash({ concurrency => 4 });
$payouts->wait_settled;
is($payouts->worker, $worker, 'reload, and other settings of the issuer: the worker goes on');
check_books('reload');

note 'two payers that hand all slots of the funds to each other';
busy();
my @payers = $payouts->payers;
$payouts->wait_settled;
is($payouts->end_payers(@payers), 2, 'what is sent is settled before they end');
check_books('payers without a pause');

note 'disable_payouts, while the worker claims and when it ends';
$payouts->sql(<<'EOC');
CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.5) WHERE EXISTS (SELECT FROM changed WHERE status = 'claimed');
    RETURN NULL;
END
$$;
CREATE TRIGGER slow AFTER UPDATE ON murallink_private.call REFERENCING NEW TABLE AS changed EXECUTE FUNCTION public.slow();
EOC
$payouts->approve(80);
$payouts->wait_for(q{SELECT bool_or(wait_event = 'PgSleep') FROM pg_stat_activity WHERE backend_type = 'murallink worker'});
$payouts->call('disable_payouts');
my $claims = 'SELECT sum(attempt) FROM murallink_private.call';
my $before = $payouts->sql($claims);
$payouts->wait_for('SELECT in_flight = 0 FROM murallink.worker_status()');
my ($done, $ready) = ($payouts->count('done'), $payouts->count('ready'));
$payouts->wait_looks;
is_deeply([ $payouts->count('done'), $payouts->count('ready'), $payouts->count('in_doubt') ], [ $done, $ready, 0 ],
	'what was being sent is finished, and nothing else is begun');
is($payouts->sql($claims), $before, 'nor claimed by who was about to');
cmp_ok($ready, '>', 0, 'though there is more');
check_books('disable_payouts');
$payouts->sql('DROP TRIGGER slow ON murallink_private.call');
$payouts->call('enable_payouts');
$payouts->wait_settled;
check_books('enable_payouts');

$payouts->hold(when => 'after');
my @sent = $payouts->approve(4);
$payouts->wait_loaded(@sent);
$payouts->call('disable_payouts');
$payouts->sql("SELECT pg_terminate_backend($worker)");
$payouts->wait_for(q{SELECT count(*) = 4 FROM murallink.payout WHERE status = 'in_doubt'});
pass('what an earlier worker had sent is in doubt where payouts are off, too');
$payouts->no_fault;
$payouts->call('enable_payouts');
$payouts->wait_idle;
check_books('the end of a worker');

note 'ALTER EXTENSION UPDATE, to a version that has another payouts_state()';
$payouts->stop_server('fast');
Murallink::Stack::run('pg_ctl', '-p', with_update(), '-D', "$dir/data", '-l', "$dir/postgresql.log", qw(-s -w start));
$worker = $payouts->worker;
held();
$payouts->sql(q{SET lock_timeout = '60 s'; ALTER EXTENSION murallink UPDATE TO 'next'});
is($payouts->sql(q{SELECT extversion FROM pg_extension WHERE extname = 'murallink'}), 'next', 'it is updated while calls are under way');
$payouts->no_fault;
$payouts->wait_settled;
is($payouts->worker, $worker, 'the worker goes on');
check_books('ALTER EXTENSION UPDATE');
is($payouts->sql(q{SELECT application_name FROM pg_stat_activity WHERE backend_type = 'murallink worker'}), 'next',
	'with the new function');

note 'DROP EXTENSION';
held();
my $revision = $payouts->sql('SELECT revision FROM murallink_private.partner');
like($payouts->error_of('DROP EXTENSION murallink'), qr/other objects depend on it/, 'is refused');
$payouts->sql(q{SET lock_timeout = '60 s'; SET client_min_messages = error;
	DROP EXTENSION murallink CASCADE; DROP SCHEMA murallink CASCADE; DROP TABLE public.place; DROP FUNCTION public.error_of});
my $loads = $payouts->stack->client->sandbox('summary')->{loads};
$payouts->no_fault;
$payouts->sql('CREATE EXTENSION murallink; SELECT murallink.install()');
my $now = $payouts->sql('SELECT clock_timestamp()');
$payouts->wait_for("SELECT heartbeat_at > timestamptz '$now' + interval '2 s' FROM murallink_private.worker_slot(NULL)");
is($payouts->sql('SELECT pid FROM murallink_private.worker_slot(NULL)'), $worker, 'CASCADE: the worker lives on without its tables');
cmp_ok($payouts->stack->client->sandbox('summary')->{loads} - $loads, '<=', 4, 'and sends no more than was under way');
is($payouts->sql('SELECT murallink_private.payouts_state()'), 'off', 'made again, it does not pay');
$payouts->sandbox('POST', 'reset');
delete @$payouts{qw(ledger ledger_read)};
$payouts->make_place;
$payouts->patients(2);
$payouts->approve(4);
$payouts->stack->configure_dash(undef, 'http://127.0.0.1:9') foreach 1 .. $revision;
$payouts->call('enable_payouts');
$payouts->wait_for(q{SELECT failures > 1 AND last_error LIKE '%onnect%' FROM murallink.worker_status() WHERE partner = 'dash'});
is(scalar(@{ $payouts->stack->client->ledger }), 0, 'nor calls a partner where it was before, in as many changes');
$payouts->stack->configure_dash;
$payouts->wait_settled;
is($payouts->counts, '4 done', 'until it is told to');
is($payouts->worker, $worker, 'by the same worker');
check_books('CREATE EXTENSION');
is(scalar(grep { /PANIC|was terminated by|TRAP/ } $payouts->stack->log_of('postgresql')), 0, 'nothing crashed');
done_testing();

# Payouts of which some are being sent, which takes a moment each, and more are ready.
sub busy
{
	held();
	$payouts->no_fault;
	$payouts->fault(when => $_, action => 'delay', delay_ms => 150) foreach qw(before after);
	return;
}

# The same, while the issuer answers none until no_fault().
sub held
{
	$payouts->no_fault;
	$payouts->hold;
	$payouts->approve(80);
	return $payouts->wait_for(<<'EOC');
SELECT count(*) FILTER (WHERE status = 'claimed') > 0 AND count(*) FILTER (WHERE status = 'ready') > 10 FROM murallink.payout
EOC
}

sub check_books
{
	my ($after) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree after $after");
	return;
}

# A server program that finds its files beside itself, where the extension has an update: as an administrator installs it.
sub with_update
{
	my ($bin, $share, $lib) = map { my $path = `$ENV{PG_CONFIG} --$_`; chomp $path; $path } qw(bindir sharedir pkglibdir);
	my $tree = "$dir/tree";
	Murallink::Stack::run('mkdir', '-p', "$tree$bin", "$tree$share/extension", $tree . dirname($lib));
	Murallink::Stack::run('cp', "$bin/postgres", "$tree$bin");
	Murallink::Stack::run('ln', '-s', $lib, "$tree$lib");
	Murallink::Stack::run('ln', '-s', (grep { !/extension$/ } glob "$share/*"), "$tree$share");
	Murallink::Stack::run('ln', '-s', glob("$share/extension/*"), "$tree$share/extension");
	open my $script, '>', "$tree$share/extension/murallink--1.0--next.sql" or die "script: $!\n";
	print $script <<'EOC';
ALTER FUNCTION murallink_private.payouts_state RENAME TO payouts_state_before;
CREATE FUNCTION murallink_private.payouts_state() RETURNS text LANGUAGE sql AS $$
    SELECT pg_catalog.set_config('application_name', 'next', false);
    SELECT murallink_private.payouts_state_before();
$$;
EOC
	close $script or die "script: $!\n";
	return "$tree$bin/postgres";
}
