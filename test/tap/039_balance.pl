# What is on a card that was replaced is moved to the new one: taken off the old one, and only then put on the new one, each
# once, whenever the worker ends. No fund changes and no money is made. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n", settings => { settling => 1 });
my $funds = 'SELECT available, reserved, disbursed FROM murallink.fund_balance';
my $patients = 0;

note 'lost: the card is replaced, and what was on it is on the new one';
my ($pat, @paid) = replaced('lost', 3);
my ($old, $new) = cards($pat);
my $before = $payouts->sql($funds);
my $money = money();
is($payouts->refusal(move_balance => $old, '3.07', 'hers'), 'invalid_amount', 'not more than was loaded');
is($payouts->refusal(move_balance => $old, $_, 'hers'), 'invalid_amount', "no amount: $_") foreach '0', '-1', '0.001';
is($payouts->refusal(move_balance => $old, '3.06', ''), 'missing_field', 'a note is needed');
is($payouts->refusal(move_balance => $new, '1', 'a'), 'wrong_status', 'the present card is none to take from');
is($payouts->refusal(move_balance => $pat, '1', 'a'), 'not_found', 'no card');
$payouts->hold(operation => 'dash.unloadCards');
move($old, '3.06', 'hers');
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink_private.call WHERE operation = 'unload_balance' AND status = 'claimed'});
is($payouts->refusal(move_balance => $old, '3.06', 'twice'), 'already_exists', 'asked twice: the first stands');
is(calls($old, $new), 'unload_balance claimed', 'nothing is put on the new card before it is off the old one');
$payouts->no_fault;
$payouts->wait_idle;
is(calls($old, $new), 'unload_balance done, load_balance done', 'it is moved');
is(balance($old) . ' ' . balance($new), '0.00 3.06', 'as the issuer has it');
is($payouts->sql($funds), $before, 'no fund has changed');
is(money(), $money, 'and there is as much money as before');
is($payouts->refusal(move_balance => $old, '0.01', 'more'), 'invalid_amount', 'there is nothing left to move');
like($payouts->sql(q{SELECT changes FROM murallink.audit_event WHERE resource = 'call' AND changes ->> 'operation' ~ 'unload_balance'}),
	qr/hers/, 'the audit says why');
check_books('after a move');

note 'a reversal of what was paid before takes it from the new card';
$payouts->call(reverse_payment => payment($paid[0]), 'not earned');
$payouts->wait_idle;
is(balance($new), sprintf('%.2f', 3.06 - amount($paid[0])), 'on which it is now');
my ($later) = $payouts->approve(1, $pat);
$payouts->wait_idle;
$payouts->call(replace_card => $pat, 'damaged', 'the dog');
$payouts->wait_idle;
is($payouts->sql("SELECT murallink_private.card_balance('$new')"), balance($new), 'what is known to be on a card is what is on it');
my ($third) = reverse cards($pat);
move($new, balance($new), 'all of it');
$payouts->wait_idle;
is(balance($new) . ' ' . balance($third), '0.00 ' . sprintf('%.2f', 3.06 - amount($paid[0]) + amount($later)), 'and can be moved again');
check_books('after two moves');

note 'stolen: what is there is moved only if somebody says that it is';
($pat) = replaced('stolen', 1);
($old, $new) = cards($pat);
is($payouts->refusal(move_balance => $old, '1.01', 'a'), 'missing_field', 'the thief may have spent it');
move($old, '1.01', 'the issuer says that it is there', 'true');
$payouts->wait_idle;
is(balance($new), '1.01', 'then it is moved');

note 'the issuer refuses to take it off, or to put it on';
($pat) = replaced('expired', 1);
($old, $new) = cards($pat);
$payouts->fault(operation => 'dash.unloadCards', when => 'before', action => 'answer', status => 400, count => 1);
move($old, '1.01', 'a');
$payouts->wait_idle;
is(calls($old, $new), 'unload_balance declined', 'nothing is moved');
is(asked(), 'declined of unload_balance: HTTP 400: a fault on purpose move_balance or resolve_task', 'and a person is told');
$payouts->fault(when => 'before', action => 'answer', status => 400, count => 1);
move($old, '1.01', 'a');
$payouts->wait_idle;
is(calls($old, $new), 'unload_balance declined, unload_balance done, load_balance declined', 'off, but not on');
is(asked(), 'it was taken off the card, and is not on the new one: HTTP 400: a fault on purpose move_balance', 'a person is told');
is($payouts->refusal(move_balance => $old, '0.5', 'a'), 'already_exists', 'another amount is another move');
move($old, '1.01', 'again');
$payouts->wait_idle;
is(balance($old) . ' ' . balance($new) . asked(), '0.00 1.01', 'asked again, it is put on, and not taken off twice');
check_books('after refusals');

note 'the new card is replaced before the money has reached it';
($pat) = replaced('lost', 1);
($old, $new) = cards($pat);
$payouts->sql(q{SELECT murallink.hold_payouts('a pause', partner => 'dash')});
move($old, '1.01', 'a');
$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'delay', delay_ms => 300);
$payouts->hold(operation => 'dash.loadCards');
$payouts->sql(q{SELECT murallink.release_payouts(partner => 'dash')});
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink_private.call WHERE operation = 'load_balance' AND status = 'claimed'});
my ($in_flight) = $payouts->sql("SELECT r.in_flight FROM murallink.replace_card('$pat', 'lost', 'again', '" . $payouts->stock_card . "') r");
is($in_flight, 1, 'what is being put on it is in flight');
$payouts->no_fault;
$payouts->wait_idle;
is(balance($new), '1.01', 'and ends there');
my $last = (cards($pat))[2];
$payouts->hold(operation => 'dash.unloadCards');
move($new, '1.01', 'on');
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink_private.call WHERE operation = 'unload_balance' AND status = 'claimed'});
$payouts->sql(q{SELECT murallink.hold_payouts('a pause', partner => 'dash')});
$payouts->no_fault;
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink_private.call WHERE operation = 'load_balance' AND status = 'ready'});
$payouts->call(replace_card => $pat, 'lost', 'and again', $payouts->stock_card);
$payouts->sql(q{SELECT murallink.release_payouts(partner => 'dash')});
$payouts->wait_idle;
is(balance($last), '0.00', 'what was not being put on a card that was replaced is not put on it');
is(asked(), 'it was taken off the card, and is not on the new one: the card was replaced move_balance', 'a person is told');
move($new, '1.01', 'to the newest');
$payouts->wait_idle;
is(balance((cards($pat))[3]) . asked(), '1.01', 'and has it put on the newest');
check_books('after a replacement on the way');

note 'in doubt: the issuer shows what it has done, and then one learns from what it does not show';
($pat) = replaced('lost', 1);
($old, $new) = cards($pat);
$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'close', count => 1);
$payouts->fault(operation => 'dash.loadCards', when => 'after', action => 'close', count => 1);
move($old, '1.01', 'a');
$payouts->wait_idle;
is(balance($old) . ' ' . balance($new) . asked(), '0.00 1.01', 'moved once, as two look-ups have shown');
($pat) = replaced('lost', 1);
($old, $new) = cards($pat);
$payouts->fault(operation => 'dash.unloadCards', when => 'before', action => 'close', count => 1);
move($old, '1.01', 'a');
$payouts->wait_idle;
like(asked(), qr/^declined of unload_balance: .*not among the unloads of the card move_balance or resolve_task$/, 'not taken off: a person is told');
$payouts->fault(operation => 'dash.loadCards', when => 'before', action => 'close', count => 1);
move($old, '1.01', 'again');
$payouts->wait_idle;
is(balance($old) . ' ' . balance($new) . asked(), '0.00 1.01', 'and asked again; the load that did not arrive is sent again by itself');

note 'the worker ends; a login is its first call';
my @points = (
	'claim_committed:1', 'call_sent:2', 'call_answered:2', 'settling:1', 'settled:1', 'settle_committed:1', 'claim_committed:2',
	'call_sent:3', 'call_answered:3', 'settling:2', 'settle_committed:2');
foreach my $lost (0, 1)
{
	foreach my $point (@points[ $lost ? (1, 2, 5, 8) : 0 .. $#points ])
	{
		($pat) = replaced('lost', 1);
		($old, $new) = cards($pat);
		$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'close', count => 1) if $lost;
		$payouts->fault(operation => 'dash.loadCards', when => 'after', action => 'close', count => 1) if $lost;
		$payouts->crash_at($point, sub { move($old, '1.01', 'a') });
		if (calls($old, $new) =~ /^unload_balance declined$/)
		{
			like(asked(), qr/^declined of unload_balance: .* move_balance or resolve_task$/, "$point: not taken off: a person is told");
			is(balance($old), '1.01', "$point: and it is still there");
			move($old, '1.01', 'again');
			$payouts->wait_idle;
		}
		is(balance($old) . ' ' . balance($new) . asked(), '0.00 1.01', "$point, $lost: it is moved once");
	}
}
is(money(), $payouts->sql('SELECT sum(disbursed)::numeric(16, 2) FROM murallink.fund_balance'), 'what is on all cards is what was paid');
check_books('after all ends');

note 'what only a person can decide';
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'none', 'dash.details_loads' => 'none' });
($pat) = replaced('lost', 1);
($old, $new) = cards($pat);
$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'close', count => 1);
move($old, '1.01', 'a');
$payouts->wait_idle;
like(asked(), qr/^in_doubt of unload_balance: .*; looked up: no unloads of the card are listed resolve_task$/, 'the issuer does not show unloads');
$payouts->fault(operation => 'dash.loadCards', when => 'after', action => 'close', count => 1);
$payouts->call(resolve_task => task(), 'true', 'the issuer says so');
$payouts->wait_idle;
like(asked(), qr/^in_doubt of load_balance: .*; looked up: no loads of the card are listed resolve_task$/, 'and after that the other card is loaded');
$payouts->call(resolve_task => task(), 'true', 'the issuer says so');
is(balance($old) . ' ' . balance($new) . asked(), '0.00 1.01', 'people have found out');
check_books('at the end');

note 'a program that moves balances itself';
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'reference', 'dash.details_loads' => 'reference' });
$payouts->stack->configure_dash({ replacement_moves_balance => JSON::PP::true });
($pat) = replaced('lost', 1);
($old) = cards($pat);
is($payouts->refusal(move_balance => $old, '1.01', 'a'), 'wrong_status', 'is asked for nothing');
is(scalar($payouts->entries('unload', proxyKey => key($old))), 0, 'nor does it hear of it');

done_testing();

# A new patient, whose card was replaced after so many payments; and the payouts.
sub replaced
{
	my ($reason, $count) = @_;
	$patients++;
	my $patient = $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name, email)"
		  . " VALUES ('Pat', '$patients', 'pat$patients\@example.com') RETURNING uid");
	my @made = $payouts->approve($count, $patient);
	$payouts->wait_idle;
	$payouts->call(replace_card => $patient, $reason, 'a');
	$payouts->wait_idle;
	return ($patient, @made);
}

sub move { my @arguments = @_; return $payouts->call(move_balance => @arguments) }

sub cards { my ($patient) = @_; return split /\n/, $payouts->sql("SELECT uid FROM murallink.cards('$patient')") }
sub key { my ($card) = @_; return $payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE uid = '$card'") }
sub payment { my ($payout) = @_; return $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'") }
sub amount { my ($payout) = @_; return $payouts->sql("SELECT amount FROM murallink.payout WHERE uid = '$payout'") }

# What the issuer has on a card, and on all cards.
sub balance { my ($card) = @_; return $payouts->cash(key($card)) }
sub money { return $payouts->cash }

# The calls that move money between cards, oldest first.
sub calls
{
	my $cards = join ', ', map { "'$_'" } @_;
	return $payouts->sql("SELECT string_agg(operation || ' ' || status, ', ' ORDER BY created_at) FROM murallink_private.call"
		  . " WHERE subject_uid IN ($cards) AND operation ~ '^(un)?load_balance\$'");
}

# What a person is asked.
sub asked { return $payouts->sql(q{SELECT why || ' ' || remedy FROM murallink.needs_person}) }

# The task that a person is asked about.
sub task { return $payouts->sql('SELECT uid FROM murallink.needs_person') }

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}
