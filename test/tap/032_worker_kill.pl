# The worker is killed at random moments under load, and so is the whole server. No payout is ever loaded
# twice, none is lost, and once people have decided what is in doubt, all are paid.
#
# MURALLINK_SEED repeats the moments of an earlier run, as far as the machine does.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;
use Time::HiRes qw(usleep);

use constant { KILLS => 50, STOPS => 12, PAYOUTS => 60, LONGEST_US => 120_000 };

my $seed = $ENV{MURALLINK_SEED} || int(rand(2**31));
diag("MURALLINK_SEED=$seed");
srand($seed);

# Commits take a while, so that some are hit.
my $payouts = Murallink::Payouts->new(conf => "commit_delay = 5000\ncommit_siblings = 0\n");
$payouts->patients(20);
$payouts->order_cards;

# Calls take a while before and after they are applied, so that there are some at each moment.
$payouts->fault(operation => 'dash.*', when => $_, action => 'delay', delay_ms => 8) foreach qw(before after);

foreach my $round (1 .. KILLS)
{
	my $worker = load();
	kill 'KILL', $worker;
	$payouts->wait_for("SELECT pid <> $worker FROM murallink.worker_slot(NULL)");
}
judge('killing the worker');
foreach my $round (1 .. STOPS)
{
	load();
	$payouts->stop_server('immediate');
	$payouts->start_server;
}
judge('stopping the server');

# People ask the issuer, which knows the truth.
my $ledger = $payouts->stack->client->ledger;
my %loaded = map { $_->{referenceId} => 1 } grep { $_->{ledger} eq 'load' } @$ledger;
my %card = map { $_->{email} => $_->{proxyKey} } grep { $_->{ledger} eq 'order' } @$ledger;
foreach my $row (split /\n/, $payouts->sql(<<'EOC'))
SELECT c.uid, p.email FROM murallink_private.card c JOIN murallink.patient p ON p.uid = c.patient_uid
WHERE c.status = 'in_doubt'
EOC
{
	my ($card, $email) = split /\|/, $row;
	$payouts->call('resolve_card', $card, $card{$email} ? ('true', 'asked', $card{$email}) : ('false', 'asked'));
}
foreach my $payout (split /\n/, $payouts->sql(q{SELECT uid FROM murallink.payout WHERE status = 'in_doubt'}))
{
	$payouts->call('resolve_payout', $payout, $loaded{$payout} ? 'paid' : 'not_paid', 'asked');
}
$payouts->wait_settled;
like($payouts->counts, qr/^\d+ done$/, 'all are paid in the end');
judge('deciding');
done_testing();

# Approves payments, some of them for new patients, and lets a moment pass. Returns the worker that is busy with them.
sub load
{
	my $worker = $payouts->worker;
	$payouts->patients(2);
	$payouts->approve(PAYOUTS);
	usleep(rand(LONGEST_US));
	return $worker;
}

sub judge
{
	my ($after) = @_;
	$payouts->wait_settled;
	is_deeply([ $payouts->wrong ], [], "the books agree after $after");
	note($payouts->counts);
	return;
}
