# The worker, a backend and the postmaster are killed at random moments, while the issuer fails in all its ways. No
# payout is ever loaded twice, none is lost, and once what is in doubt has been looked up, all are paid.
#
# MURALLINK_ROUNDS says how often; MURALLINK_SEED repeats the moments and the faults of an earlier run, as far as the
# machine does.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;
use Time::HiRes qw(usleep);

use constant { PAYOUTS => 60, LONGEST_US => 120_000, JUDGED_EVERY => 25 };

my $rounds = $ENV{MURALLINK_ROUNDS} || 25;
my $seed = $ENV{MURALLINK_SEED} || int(rand(2**31));
diag("MURALLINK_SEED=$seed");
srand($seed);

# Commits take a while, so that some are hit.
my $payouts = Murallink::Payouts->new(conf => "commit_delay = 5000\ncommit_siblings = 0\n", settings => { settling => 1 });
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
	push @faults, map { { operation => "dash.$_->[0]", when => $when, probability => $_->[1], %{ $_->[2] } } }
	  map { [ 'loadCards', 0.005, $_ ], [ 'orderCards', 0.01, $_ ], [ 'getOrderDetailsByOrderId', 0.02, $_ ] } @endings;
}
push @faults, { operation => 'dash.loadCards', when => 'before', action => 'answer', probability => 0.01, status => $_ }
  foreach 401, 429;
my ($status, $answer) = $payouts->sandbox('POST', "faults?seed=$seed", \@faults);
die "faults: HTTP $status: $answer->{message}\n" unless $status == 200;

my %kill = (worker => \&kill_worker, backend => \&kill_backend, postmaster => \&kill_postmaster, stop => \&stop);
my @victims = (('worker') x 5, 'backend', 'postmaster', 'stop');
foreach my $round (1 .. $rounds)
{
	my $worker = $payouts->worker;
	$payouts->patients(2);
	$payouts->approve(PAYOUTS);
	usleep(rand(LONGEST_US));
	$kill{ $victims[rand @victims] }->($worker);
	judge("round $round") if $round % JUDGED_EVERY == 0 || $round == $rounds;
}
$payouts->no_fault;

# What is in doubt is looked up at the issuer, which knows the truth; orders of cards have no look-up, so people ask.
$payouts->wait_settled;
$payouts->resolve_cards;
# What is to be asked later, after many failures, is asked now.
$payouts->sql(q{UPDATE murallink_private.partner_queue SET due_at = clock_timestamp() WHERE due_at <> 'infinity'});
$payouts->call('enable_payouts');
$payouts->wait_idle;
like($payouts->counts, qr/^\d+ done$/, 'all are paid in the end');
judge('looking up');
note(scalar(@{ $payouts->stack->client->ledger }) . ' effects at the issuer');
done_testing();

sub kill_worker
{
	my ($worker) = @_;
	kill 'KILL', $worker;
	return restarted($worker);
}

sub kill_backend
{
	my ($worker) = @_;
	my $session = $payouts->session('BEGIN');
	kill 'KILL', $payouts->sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'session'});
	restarted($worker);
	local $SIG{PIPE} = 'IGNORE';
	close $session;
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
	$payouts->wait_for("SELECT pid <> $worker FROM murallink.worker_slot(NULL)");
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
	$payouts->call('enable_payouts');
	return;
}
