# The worker, a backend and the postmaster are killed at random moments, while the issuer fails in all its ways: loads
# applied = payouts paid + in doubt that turn out applied; none twice; none lost. Once what is in doubt has been looked up,
# all are paid.
#
# MURALLINK_ROUNDS says how often; MURALLINK_SEED repeats the victims, the moments and the faults of an earlier run.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;
use Time::HiRes qw(time usleep);

use constant { PAYOUTS => 60, LONGEST_US => 120_000, WITHIN_US => 200_000, JUDGED_EVERY => 10 };

my $rounds = $ENV{MURALLINK_ROUNDS} || 25;
my $seed = $ENV{MURALLINK_SEED} || int(rand(2**31));
diag("MURALLINK_SEED=$seed");
srand($seed);
my %kill = (worker => \&kill_worker, backend => \&kill_backend, postmaster => \&kill_postmaster, stop => \&stop);
my @victims = (('worker') x 5, 'backend', 'postmaster', 'stop');
my @plan = map { { victim => $victims[rand @victims], moment => rand(LONGEST_US), within => rand(WITHIN_US) } } 1 .. $rounds;

# What a process has written survives its end without being synced.
my $payouts = Murallink::Payouts->new(conf => "fsync = off\n", settings => { settling => 1, timeout => 0.5 });
my $dir = $payouts->stack->{dir};
$payouts->patients(20);
$payouts->order_cards;

# Calls take a while before and after they are applied, so that there are some at each moment, and some of them end badly.
my @endings = (
	{ action => 'close' }, { action => 'reset' }, { action => 'truncate' }, { action => 'malformed' }, { action => 'empty' },
	{ action => 'answer', status => 500 }, { action => 'answer', status => 503, retry_after => 0 });
my @faults;
foreach my $when (qw(before after))
{
	push @faults, { operation => 'dash.*', when => $when, action => 'delay', delay_ms => 8 };
	push @faults, { operation => 'dash.loadCards', when => $when, action => 'delay', delay_ms => 700, probability => 0.002 };
	push @faults, map { { operation => "dash.$_->[0]", when => $when, probability => $_->[1], %{ $_->[2] } } }
	  map { [ 'loadCards', 0.005, $_ ], [ 'orderCards', 0.01, $_ ], [ 'getOrderDetailsByOrderId', 0.02, $_ ] } @endings;
}
push @faults, { operation => 'dash.loadCards', when => 'before', action => 'answer', probability => 0.01, status => $_ }
  foreach 401, 429;
my ($status, $answer) = $payouts->sandbox('POST', "faults?seed=$seed", \@faults);
die "faults: HTTP $status: $answer->{message}\n" unless $status == 200;

my %figures; # how often, and seconds in all
foreach my $round (1 .. $rounds)
{
	my ($victim, $moment, $within) = @{ $plan[ $round - 1 ] }{qw(victim moment within)};
	my $worker = timed('start', sub { $payouts->worker });
	timed('approve', sub { $payouts->patients(2); $payouts->approve(PAYOUTS) });
	usleep($moment);
	timed($victim, sub { $kill{$victim}->($worker, $within) });
	timed('judge', sub { judge("round $round") }) if $round % JUDGED_EVERY == 0 || $round == $rounds;
}
$payouts->no_fault;

# What is in doubt is looked up at the issuer. No card gets in doubt any more after those that are have been resolved.
$payouts->stack->configure_dash({ timeout => 30 });
$payouts->wait_settled;
$payouts->resolve_cards;
$payouts->finish;
like($payouts->counts, qr/^\d+ done$/, 'all are paid in the end');
judge('looking up');
note("$rounds/$rounds rounds: ", join ', ', map { sprintf '%s %d (%.2f s)', $_, @{ $figures{$_} } } sort keys %figures);
note("$rounds/$rounds rounds: ", scalar($payouts->ledger), ' effects at the issuer; in doubt: ', $payouts->doubts);
done_testing();

sub timed
{
	my ($what, $something) = @_;
	my $start = time;
	my $result = $something->();
	$figures{$what}[0]++;
	$figures{$what}[1] += time - $start;
	return $result;
}

sub kill_worker
{
	my ($worker) = @_;
	kill 'KILL', $worker;
	return restarted($worker);
}

# Kills a session that is approving payments, of which all or none are then approved.
sub kill_backend
{
	my ($worker, $within) = @_;
	local $SIG{PIPE} = 'IGNORE';
	$payouts->quietly(sub {
		my $session = $payouts->session('BEGIN; COMMIT');
		my $backend = $payouts->sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'session'});
		print $session Murallink::Payouts::approval(PAYOUTS, 'true'), ";\n";
		usleep($within);
		kill 'KILL', $backend;
		restarted($worker);
		close $session;
	});
	return;
}

sub kill_postmaster
{
	open my $file, '<', "$dir/data/postmaster.pid" or die "postmaster.pid: $!\n";
	chomp(my $pid = <$file>);
	close $file;
	kill 'KILL', $pid;
	$payouts->quietly(sub {
		Murallink::Stack::poll('the others to end and the server to start', sub { eval { $payouts->start_server; 1 } });
	});
	return;
}

sub stop
{
	$payouts->stop_server('immediate');
	$payouts->start_server;
	return;
}

# Waits until there is another worker.
sub restarted
{
	my ($worker) = @_;
	$payouts->wait_for("SELECT pid <> $worker FROM murallink_private.worker_slot(NULL)");
	return;
}

sub judge
{
	my ($after) = @_;
	$payouts->wait_settled;
	$payouts->call('disable_payouts');
	$payouts->wait_for('SELECT in_flight = 0 FROM murallink.worker_status()');
	is_deeply([ $payouts->wrong ], [], "the books agree after $after");
	note($payouts->counts);
	$payouts->resolve_cards;
	$payouts->call('enable_payouts');
	return;
}
