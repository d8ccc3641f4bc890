# The worker ends as kill -9 would at every edge of what it does: when a call comes there for the first time, and among
# many; while it recovers from such an end and signs in; and while it looks up what that has left in doubt. Loads applied =
# payouts paid + in doubt that turn out applied, and all are paid in the end, once.
#
# The library is built with make CRASH_POINTS=1.

use strict;
use warnings;

use File::Basename qw(dirname);
use Murallink::Payouts;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

use constant PAYOUTS => 60;

# Each call comes by these, some of them together with others; the number is that of a later time.
my @calling = (
	[ claiming => 2 ], [ claimed => 2 ], [ claim_committed => 2 ], [ call_begun => 20 ], [ call_sent => 20 ],
	[ call_answered => 20 ], [ settling => 2 ], [ settled => 2 ], [ settle_committed => 2 ],
	[ stepped => 2 ], [ step_committed => 2 ]);
my @starting = qw(recovering recovered recovery_committed login_begun login_answered);

my %known = map { $_ => 1 } map { slurp_file($_) =~ /CRASH_POINT\("(\w+)"\)/g } glob dirname(__FILE__) . '/../../src/*/*.c';
is_deeply([ sort keys %known ], [ sort @starting, map { $_->[0] } @calling ], 'this test knows all points');

# What a process has written survives its end without being synced.
my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n", settings => { settling => 0 });
my $conf = "$payouts->{stack}{dir}/data/crash.conf";
my $ends = 0;
$payouts->patients(5);
$payouts->order_cards;
$payouts->sandbox('POST', 'faults',
	[ map { { operation => 'dash.*', when => $_, action => 'delay', delay_ms => 5 } } qw(before after) ]);

note 'orders and loads';
foreach my $point (@calling)
{
	foreach my $time (1, $point->[1])
	{
		$payouts->patients(1);
		working("$point->[0]:$time", PAYOUTS);
		judge("$point->[0], $time");
	}
}

note 'what is done first, and look-ups; a login is the first call, and one claim takes all';
foreach my $number (0 .. $#calling)
{
	my $first = $starting[ $number % @starting ];
	my ($point) = @{ $calling[$number] };
	working($number % 2 ? 'claim_committed:1' : 'call_sent:5', 10);
	starting("$first:1");
	starting($point =~ /^call_/ ? "$point:2" : "$point:1");
	judge("$first, and $point of a look-up");
}

$payouts->finish;
like($payouts->counts, qr/^\d+ done$/, 'all are paid in the end');
is_deeply([ $payouts->wrong ], [], 'the books agree');
note("$ends/$ends ends; in doubt: ", $payouts->doubts);
done_testing();

# Has the worker of the running server end there, while it pays.
sub working
{
	my ($point, $count) = @_;
	end_at($point);
	my $worker = $payouts->worker;
	$payouts->sql('SELECT pg_reload_conf()');
	$payouts->wait_read($worker, $point);
	$payouts->quietly(sub { eval { $payouts->approve($count) }; $payouts->wait_ended });
	return;
}

# Has the worker of the server that is started now end there.
sub starting
{
	my ($point) = @_;
	end_at($point);
	$payouts->quietly(sub { eval { $payouts->start_server }; $payouts->wait_ended });
	return;
}

sub end_at
{
	my ($point) = @_;
	open my $file, '>', $conf or die "crash.conf: $!\n";
	print $file "murallink.crash_point = '$point'\n";
	close $file;
	$ends++;
	return;
}

sub judge
{
	my ($after) = @_;
	unlink $conf;
	$payouts->start_server;
	$payouts->wait_settled;
	is_deeply([ $payouts->wrong ], [], "the books agree after $after");
	# While a card is in doubt, its patient's payouts wait, and too few calls may come by a later point.
	$payouts->resolve_cards;
	$payouts->wait_settled;
	return;
}
