# The worker ends as kill -9 would at every edge of what it does: when a call comes there for the first time, and among
# many; while it recovers from such an end and signs in; and while it looks up what that has left in doubt. Among the
# calls are loads of which a debt is kept, unloads of reversals, and moves of balances to cards that have replaced others.
# Loads applied = payouts paid + in doubt that turn out applied, and in the end all are paid, taken back and moved, once.
#
# The library is built with make CRASH_POINTS=1.

use strict;
use warnings;

use File::Basename qw(dirname);
use Murallink::Payouts;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

use constant PAYOUTS => 32;

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
my @stock = map { $payouts->stock_card } 1 .. 2 * @calling + @calling;
$payouts->patients(18);
$payouts->order_cards;
prepare();
$payouts->sandbox('POST', 'faults',
	[ map { { operation => 'dash.*', when => $_, action => 'delay', delay_ms => 5 } } qw(before after) ]);

note 'orders and loads';
foreach my $point (@calling)
{
	foreach my $time (1, $point->[1])
	{
		$payouts->patients(1);
		working("$point->[0]:$time", PAYOUTS, $time > 1);
		judge("$point->[0], $time");
	}
}

note 'what is done first, and look-ups; a login is the first call, and one claim takes all';
foreach my $number (0 .. $#calling)
{
	my $first = $starting[ $number % @starting ];
	my ($point) = @{ $calling[$number] };
	working($number % 2 ? 'claim_committed:1' : 'call_sent:5', 10, $number % 4 < 2);
	starting("$first:1");
	starting($point =~ /^call_/ ? "$point:2" : "$point:1");
	judge("$first, and $point of a look-up");
}

$payouts->finish;
like($payouts->counts, qr/^\d+ done$/, 'all are paid in the end');
is_deeply([ $payouts->follow_advice ], [], 'what people are told about the rest helps');
is($payouts->sql("SELECT DISTINCT coalesce(load_status::text, status::text) FROM murallink_private.balance_move WHERE status <> 'declined'"),
	'done', 'all balances are moved');
is($payouts->sql("SELECT string_agg(DISTINCT status::text, ' ') FROM murallink.reversal"), 'recovering returned', 'and all is taken back or owed');
is($payouts->sql('SELECT disbursed::numeric(16, 2) FROM murallink.fund_balance'), $payouts->cash, 'the funds have paid what is on the cards');
is_deeply([ $payouts->wrong ], [], 'the books agree');
my $doubts = $payouts->doubts;
is_deeply([ grep { $doubts !~ /\b$_\b/ } qw(load unload unload_balance load_balance look_up look_up_balance) ], [], 'each was in doubt');
note("$ends/$ends ends; in doubt: $doubts");
done_testing();

# Two patients owe what the issuer does not take off their cards; the issuer has shown an unload of ours; and the balances
# of others are not on a card, because the issuer has declined to load them.
sub prepare
{
	$payouts->become_payer;
	$payouts->sql("SELECT murallink.set_recovery(contract_uid, 50, 'half') FROM public.place");
	my @wrong = split /\n/, $payouts->sql(<<'EOC');
SELECT (murallink.approve_payment((murallink.manual_payment(e.patient_uid, e.trial_uid, a.amount)).uid)).uid
FROM (SELECT e.*, row_number() OVER (ORDER BY e.uid) AS place FROM murallink.enrollment e) e JOIN (VALUES (1, 100), (2, 5)) a (place, amount) USING (place)
EOC
	$payouts->wait_idle;
	$payouts->fault(operation => 'dash.unloadCards', when => 'before', action => 'answer', status => 400, count => scalar @wrong);
	$payouts->sql("SELECT murallink.request_reversal('$_', NULL, 'not_due', 'not done')") foreach @wrong;
	$payouts->wait_idle;
	$payouts->sql("SELECT murallink.recover(uid, 'half of each visit') FROM murallink.reversal");
	$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'close', count => 1);
	$payouts->sql(reversals(1));
	$payouts->wait_idle;
	$payouts->fault(when => 'before', action => 'answer', status => 400, count => 17);
	$payouts->sql(replacements(17));
	return $payouts->wait_idle;
}

# Takes some paid payments back.
sub reversals
{
	my ($count) = @_;
	return <<"EOC";
SELECT murallink.reverse_payment(w.uid, 'in error') FROM (
    SELECT p.uid FROM murallink_private.payment p
    WHERE p.status = 'paid' AND NOT EXISTS (SELECT FROM murallink.reversal r WHERE r.payment_uid = p.uid) ORDER BY p.uid LIMIT $count) w;
EOC
}

# Replaces the cards of some patients, and moves what is on them.
sub replacements
{
	my ($count) = @_;
	my $cards = $payouts->sql(<<"EOC");
SELECT c.uid, c.patient_uid FROM murallink_private.card c
WHERE c.status = 'done' AND c.ended_at = 'infinity' AND murallink_private.card_balance(c.uid) > 0 AND NOT EXISTS (
    SELECT FROM murallink_private.balance_move m JOIN murallink_private.card k ON k.uid = m.card_uid
    WHERE k.patient_uid = c.patient_uid AND m.load_status IS DISTINCT FROM 'done')
ORDER BY c.uid LIMIT $count
EOC
	return join '', map {
		my ($card, $patient) = split /\|/;
		"SELECT murallink.replace_card('$patient', 'lost', 'a', '" . shift(@stock) . "');"
		  . "SELECT murallink.move_balance('$card', murallink_private.card_balance('$card'), 'hers');"
	} split /\n/, $cards;
}

# Loads a new card, after the old one was unloaded.
sub second_half
{
	return <<'EOC';
SELECT murallink.move_balance(m.card_uid, m.amount, 'again') FROM murallink_private.balance_move m
WHERE m.status = 'done' AND m.load_uid IS NULL ORDER BY m.uid LIMIT 1;
EOC
}

# Has the worker of the running server end there, while it pays, takes back, and moves what is on a card. half: whether it
# has taken that off the old card before.
sub working
{
	my ($point, $count, $half) = @_;
	my $work = reversals(2) . ($half ? second_half() : replacements(1)) . Murallink::Payouts::approval($count, 'true');
	end_at($point);
	my $worker = $payouts->worker;
	$payouts->sql('SELECT pg_reload_conf()');
	$payouts->wait_read($worker, $point);
	$payouts->quietly(sub { eval { $payouts->sql($work) }; $payouts->wait_ended });
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
